"""Patterns of one operation (the format is described in ``engine``)."""

from __future__ import annotations

ADDITION = """
= a=N b=N ; x=thing
{A} has {a x}. {B} gives {him} {b more x}. How many {x} does {A} have [altogether|in all|now|in total]?
{A} had {a x}. {B} gave {A} {b more}. How many {x} does {A} have [in all|altogether|now]?
At first {A} has {a x}. Then {B} hands {him} {b more}. How many {x} does {A} end up with?
{A} has {a x}. {he} [finds|gets|buys|collects] another {b}. How many {x} does {A} [end up with|own now]?
{A} had {a x} and then [bought|got|found|received] {b more}. [How many {x} does {he} have now?|What is the total
    number of {x} {he} has?]
If {A} has {a x} and [gets|buys|finds] {b more}, how many {x} will {he} have?
{@when}, {A} [bought|got|found] {a x}. Later {he} [bought|got|found] {b more x}. How many {x} did {he} get in all?
> r=a+b | {A} has {eq x} in all. | Adding the {b} more, {A} has {eq x}. | In total there are {eq x}.

= a=N b=N ; x=thing
{A} has {a x} and {B} has {b x}. How many {x} do they have [together|altogether|in all|in total]?
{A} has {a x}. {B} adds all {b} of {B.his} own {x} to them. How many {x} will {A} have then?
{A} had {a x} and {B} had {b}. If they put [them|the {x}] together, how many would they have?
{A} [collected|found|bought] {a x}, and {B} [collected|found|bought] {b}. How many {x} did they get [in all|altogether]?
{A} [picked|sold|brought|made] {a x} and {B} [picked|sold|brought|made] {b x}. What is the total number of {x}?
There are {a x} in {A's} bag and {b x} in {B's} bag. How many {x} are there altogether?
> r=a+b | Together they have {eq x}. | In all there are {eq x}. | The total is {eq x}.

= a=N b=N ; x=any c,d=color
{A} has {a} {c} {x} and {b} {d} {x}. How many {x} does {he} have [in all|altogether|in total]?
There are {a} {c} {x} and {b} {d} {x} {@place}. How many {x} are there [in all|altogether]?
A [box|basket|drawer|bag] [holds|contains|has] {a} {c} {x} and {b} {d} {x}. How many {x} are in it?
{A} [bought|sold|found|made] {a} {c} {x} and {b} {d} {x}. How many {x} is that in total?
Of {A's} {x}, {a} are {c} and {b} are {d}. How many {x} are there?
> r=a+b | There are {eq x} in all. | The {c} and {d} ones make {eq x}.

= a=N b=N ; x,y=fruit
{A} [picked|bought|ate|washed] {a x} and {b y}. How many pieces of fruit [is that|are there] [in all|altogether]?
There are {a x} and {b y} in [a|the] [bowl|basket|fridge|box]. How many pieces of fruit are there?
A [shop|stall|farmer] sold {a x} and {b y} {@when}. How many fruits were sold in total?
> r=a+b | There are {eq} pieces of fruit. | In total that is {eq}.

= a=N b=N ; x,y=animal
There are {a x} and {b y} {@outdoor}. How many animals are there [in all|altogether|in total]?
{A} saw {a x} and {b y} {@outdoor}. How many animals did {he} see?
A [farmer|zoo|shelter|park] has {a x} and {b y}. What is the total number of animals?
{A} counted {a x}. Then {he} counted {b y}. How many animals did {A} count in all?
> r=a+b | There are {eq} animals. | The total number of animals is {eq}.

= a=N b=N ; x,y=flower
{A} [planted|picked|watered|cut] {a x} and {b y}. How many flowers is that [in all|altogether]?
In a [garden|vase|park] there are {a x} and {b y}. How many flowers are there?
> r=a+b | There are {eq flower} in all. | In total that is {eq flower}.

= a=N b=N ; x,y=school
{A's} desk has {a x} and {b y} in it. How many [things|items] are in the desk?
{A} bought {a x} and {b y} for school. How many items did {he} buy?
> r=a+b | There are {eq item} in all.

= a=N b=N ; x,y=dessert
{A} baked {a x} and {b y} for {@event}. How many [treats|desserts] did {he} bake?
For {@event} there were {a x} and {b y}. How many desserts were there in all?
> r=a+b | There are {eq dessert}. | In all that makes {eq dessert}.

= a=N b=N ; x=wild
{a x} were [sitting|resting|playing] {@outdoor}. {b more x} [joined them|came]. How many {x} were there [altogether|in
    all|then]?
There were {a x} {@outdoor}. Then {b more} [came|arrived|joined]. How many {x} are there now?
{A} saw {a x} in the morning and {b x} in the afternoon. How many {x} did {he} see that day?
> r=a+b | There are {eq x}. | With the new ones there are {eq x}.

= a=N b=N
There are {a} boys and {b} girls [in the class|on the playground|in the club|at the party|on the bus]. How many
    children are there [in all|altogether]?
{a} girls and {b} boys [came to school|went to the zoo|joined the team|sang in the choir]. How many children was that?
> r=a+b | There are {eq} children.

= a=N b=N ; x=crew
{a x} were [on the bus|in the room|in line|at the party]. Then {b more} [got on|came|arrived]. How many {x} were there
    then?
There are {a x} in the first group and {b x} in the second group. How many {x} are there in both groups?
There were {a x} at {@event} on Saturday and {b} on Sunday. How many {x} came in total?
> r=a+b | There are {eq x}. | That makes {eq x} in all.

= a=N b=N ; x=tree
There are {a x} in the [park|garden|yard|forest]. [Workers|The workers|Some children|Volunteers] will plant {b more}
    {@when}. How many {x} will there be?
{a x} grow in {A's} [yard|garden|field]. {he} is going to plant {b more} there. How many {x} will that make?
> r=a+b | There will be {eq x}. | After planting there are {eq x}.

= a=N b=N
{A} [saved|had|earned] {$a} in {@month} and [saved|earned] {$b} in {@month}. How much money is that in all?
{A} has {$a}. {he} [earns|finds|gets] {$b} more {@gift}. How much money does {he} have [now|in total]?
{A} spent {$a} on {@buy} and {$b} on {@buy}. How much did {A} spend [in all|altogether]?
{A} paid {$a} for {@buy} and {$b} for {@buy}. What was the total cost?
A [shop|store|club|school] made {$a} on {@day} and {$b} the next day. How much money did it make altogether?
{A} earned {$a} from {@chore} and {$b} from {@chore}. How much did {he} earn?
> r=a+b | In all that is {eq $}. | The total is {eq $}.

= a=M b=M
{A} [walked|ran|biked|drove] {a mile} in the morning and {b mile} in the afternoon. How far did {he} go [in
    all|altogether|that day]?
{A} {@moved} {a} kilometers on {@day} and {b} kilometers on {@day}. How many kilometers did {he} go in total?
{A} spent {a minute} {@act} and {b minute} {@act}. How many minutes did {he} spend in all?
It took {A} {a minute} to do {his} {@subject} homework and {b minute} to do {his} {@subject} homework. How long did
    {he} work altogether?
> r=a+b | The total is {eq}. | Altogether that is {eq}.

= a=N b=N ; u=len
A [rope|ribbon|fence|string] is {a u} long. Another one is {b u} long. How long are they together?
{A} has a piece of {@cloth} that is {a u} long and a piece that is {b u} long. What is the total length?
> r=a+b | The total length is {eq u}.

= a=M b=M ; u=mass
A bag of {@powder} weighs {a u} and a bag of {@powder} weighs {b u}. How much do they weigh together?
{A} bought {a u} of {@powder} and {b u} of {@powder}. How many {u} is that altogether?
> r=a+b | The total weight is {eq u}.

= a=M b=M ; u=vol
A [tank|barrel|bucket] has {a u} of {@liquid} in it. {A} pours in {b u} more. How much is in it now?
> r=a+b | Now it holds {eq u}.

= a=L b=N
{A} read {a} pages on {@day} and {b} pages on {@day}. How many pages did {he} read in all?
A book has {a} pages and another book has {b} pages. How many pages do they have together?
{A} [scored|got] {a} points in the first [round|game|level] and {b} points in the [second|next] one. How many points
    did {he} get in total?
> r=a+b | The total is {eq}. | In all that is {eq}.

= a=N b=N ; x=thing
{A} has {a x}. {B} has {b} more {x} than {A}. How many {x} does {B} have?
{A} [bought|made|found|picked] {a x}. {B} [bought|made|found|picked] {b} more than {A}. How many {x} did {B} get?
{B} has {b} more {x} than {A}, who has {a}. How many {x} does {B} have?
{A} has {a x}, which is {b} fewer than {B} has. How many {x} does {B} have?
> r=a+b | {B} has {eq x}. | {b} more than {a} means {B} has {eq x}.

= a=M b=S
{A} is {a} years old. {B} is {b} years older than {A}. How old is {B}?
{A} is {a} years old and {b} years younger than {B}. What is the age of {B}?
> r=a+b | {B} is {eq} years old.

= a=M b=S
{A} is {a} years old now. How old will {he} be in {b} years?
> r=a+b | In {b} years {A} will be {eq} years old.

= a=N b=N ; x=small
{A} [gave away|lost|sold|used] {b} of {his} {x} and now has {a} left. How many {x} did {he} have [at first|to start
    with|in the beginning]?
After [giving|handing] {b x} to {B}, {A} has {a} left. How many {x} did {A} start with?
{A} had some {x}. {he} gave {b} of them to {B} and kept {a}. How many {x} did {A} have before?
Some {x} were in a box. {b} were taken out and {a} are still there. How many {x} were in the box at first?
> r=a+b | At first there were {eq x}. | Before that {A} had {eq x}.

= a=N b=N
{A} had some money. {he} spent {$b} on {@buy} and has {$a} left. How much money did {he} have at first?
After paying {$b} for {@buy}, {A} had {$a}. How much money did {he} start with?
> r=a+b | At first {A} had {eq $}.

= a=N b=N ; x=thing
{A} wants to give {b x} away and still keep {a}. How many {x} does {he} need?
The shop had {a x}. A truck delivered {b more}. How many {x} does the shop have now?
A worker at {@store} put {a x} on the top shelf and {b} on the bottom shelf. How many {x} are on the shelves?
{a x} were in the basket. {b more x} were added. How many {x} are in the basket?
There are {a x}. {b more x} are added. How many are there [in total|altogether]?
> r=a+b | There are {eq x}. | Altogether that is {eq x}.
"""

SUBTRACTION = """
= a=N b=<a ; x=thing
{A} has {a x}. {he} gives {b} [of them |]to {B}. How many {x} does {A} have [left|now]?
{A} had {a x}. {B} took {b} of them. How many {x} does {A} have [left|now]?
{A} [begins|sets out] with {a x}, but {B} takes {b}. How many {x} does {A} end up with?
At the start {A} has {a x}. {b} of them are [lost|given away|sold|shared]. How many {x} does {A} finish with?
{A} had {a x} but [lost|sold|gave away|dropped|donated] {b} of them. How many {x} does {he} have left?
If {A} has {a x} and [gives away|sells|loses] {b}, how many {x} are left?
{A} has {a x}. {b} are [lost|taken|stolen|eaten by a goat|carried off by a dog]. How many {x} will {A} have?
After [selling|losing|giving away] {b} of {his} {a x}, how many {x} did {A} have?
{A} had {a x}. {he} shared {b} with {B}. How many are left?
> r=a-b | {A} has {eq x} left. | Taking away {b} leaves {eq x}. | So {eq x} are left.

= a=N b=<a ; x=food
There were {a x} [on the table|in the kitchen|in the bowl|in the box|in the basket]. {A} ate {b} of them. How many {x}
    are left?
{A} [baked|cooked|bought|had] {a x}. {his} [family|friends|brothers|guests] ate {b}. How many {x} were left?
{A} bought {a x} and used {b} of them to make a [salad|cake|meal|snack]. How many {x} remain?
Of the {a x} {A} [bought|picked], {b} were [rotten|bad|spoiled]. How many were good?
> r=a-b | There are {eq x} left. | That leaves {eq x}.

= a=N b=<a ; x=wild
There were {a x} {@outdoor}. {b} of them [ran away|left|went away|went home]. How many {x} [stayed|were left|are still
    there]?
{a x} were resting {@outdoor}. Then {b x} left. How many {x} remained?
> r=a-b | So {eq x} are left. | Without those {b}, {eq x} remain.

= a=N b=<a ; x=any c,d=color
{A} has {a x}. {b} are {c} and the rest are {d}. How many {d} {x} does {A} have?
There are {a x} in a [box|bag|basket]. {b} of them are {c}. The others are {d}. How many are {d}?
Of {a x}, {b} are {c} and the rest {d}. How many {d} {x} are there?
> r=a-b | There are {eq} {d} {x}. | The rest are {d}: {eq}.

= a=N b=<a
There are {a} children [in the class|in the choir|at camp|on the bus]. {b} of them are boys. How many are girls?
{a} students went on a trip. {b} were girls. How many boys went?
A class has {a} students and {b} of them are girls. How many boys are in the class?
> r=a-b | The rest are {eq} children. | The others are {eq} children.

= a=N b=<a ; x=crew
There were {a x} [at the party|on the bus|in the room|in line]. {b} of them [left|went home|got off]. How many {x}
    were left?
{a x} signed up for the [trip|race|class|team], but {b} did not come. How many {x} came?
{b} of the {a x} are absent today. How many {x} are here?
> r=a-b | So {eq x} remain. | That leaves {eq x}.

= a=N b=<a ; x=thing
{A} has {a x} and {B} has {b}. How many more {x} does {A} have than {B}?
{A} has {a x}. {B} has {b x}. How many fewer {x} does {B} have than {A}?
{A} [picked|made|collected|sold|bought] {a x} and {B} [picked|made|collected|sold|bought] {b}. How many more did {A}
    get than {B}?
What is the difference between the number of {A's} {x} and the number of {B's} {x} if {A} has {a} and {B} has {b}?
> r=a-b | The difference is {eq x}. | {A} has {eq} more {x}.

= a=N b=<a ; x=thing
{A} has {a x}. {he} has {b} more {x} than {B}. How many {x} does {B} have?
{A} has {a x}. {B} has {b} fewer {x} than {A}. How many {x} does {B} have?
{A} [made|found|bought] {a x}. {B} got {b} less than {A}. How many {x} did {B} get?
> r=a-b | {B} has {eq x}. | {b} fewer than {a} is {eq x}.

= a=N b=<a ; x,y=any
There are {a x} and {b y} {@place}. How many more {x} than {y} are there?
{A} bought {a x} and {b y}. How many fewer {y} than {x} did {he} buy?
A shop sold {a x} and {b y} {@when}. What is the difference between the two numbers?
> r=a-b | The difference is {eq}. | There are {eq} more {x} than {y}.

= a=N b=<a ; x,y=any
{A} has {a x} and {y}. {b} of them are {y}. How many are {x}?
In a box there are {a} things, {x} and {y}. If {b} are {y}, how many {x} are there?
> r=a-b | The number of {x} is {eq}.

= a=N b=<a ; x=thing
{A} had {b x}. How many more {x} does {A} need to [get|buy|find|collect] to have {a} [altogether|in all]?
{A} needs {a x} for {@event}. {he} already has {b}. How many more {x} does {he} need?
{A} wants to [collect|have] {a x}. So far {he} has {b}. How many more must {he} get?
A [collection|set] has {a x} in all, and {A} has {b} of them. How many are missing?
{A} has to [make|pack|find|sell] {a x}. {he} has done {b}. How many [are left|more must {he} do]?
> r=a-b | {A} needs {eq} more {x}. | Still missing are {eq x}.

= a=N b=<a ; x=thing
{A} had {b x}. {B} gave {him} some more. Now {he} has {a x}. How many {x} did {B} give {A}?
{A} had {b x} and bought some more. Now there are {a}. How many did {he} buy?
There were {b x} in the [box|drawer|room]. {A} put some more in. Now there are {a}. How many {x} did {he} put in?
> r=a-b | The number of added {x} is {eq}. | The change is {eq x}.

= a=N b=<a ; x=thing
{A} had {a x}. {he} gave some to {B}. Now {he} has {b} left. How many {x} did {he} give away?
{A} had {a x} {@when}. {he} lost some of them and now has {b}. How many did {he} lose?
There were {a x} in a [jar|box|bag]. {A} took some out and {b} are left. How many {x} did {A} take?
> r=a-b | The number taken away is {eq}. | {A} parted with {eq x}.

= a=N b=<a ; x=thing
{A} [bought|found|got] {b x} {@when} and now has {a x} altogether. How many {x} did {he} have before?
After [buying|finding|getting] {b more x}, {A} has {a}. How many {x} did {he} have at first?
{B} gave {A} {b x}. {A} now has {a x}. How many {x} did {A} have to start with?
> r=a-b | At first {A} had {eq x}. | Without the new ones there were {eq x}.

= a=N b=<a
{A} has {$a}. {he} spends {$b} on {@buy}. How much money does {he} have left?
{A} had {$a} and [paid|spent] {$b} for {@buy}. How much money [is left|does {he} still have]?
{A} buys {@buy} that costs {$b}. {he} pays with {$a}. How much change does {he} get?
{A} [lost|gave away|donated] {$b} of {his} {$a}. How much does {A} have now?
> r=a-b | {A} has {eq $} left. | The money left is {eq $}.

= a=N b=<a
{A} wants to buy {@goal} that costs {$a}. {he} has {$b}. How much more money does {he} need?
{@goal} costs {$a}. {A} has saved {$b}. How much more must {he} save?
{A} needs {$a}. {he} has {$b}. How much more money does {he} need?
> r=a-b | {A} needs {eq} more dollars.

= a=N b=<a
A [coat|bike|game|table] usually costs {$a}. It is on sale for {$b}. How much is saved?
{A} paid {$a} for {@goal} and {B} paid {$b}. How much more did {A} pay?
> r=a-b | The difference is {eq $}.

= a=L b=<a
{A's} book has {a} pages. {he} has read {b}. How many pages are left [to read|]?
{A} has to read {a} pages and has already read {b} of them. How many more pages does {he} have to read?
> r=a-b | There are {eq page} left.

= a=M b=<a
{A} is {a} years old and {B} is {b}. How much older is {A} than {B}?
{A} is {a} years old. {B} is {b} years old. What is the difference between their ages?
{A} is {a} years old. How old was {he} {b} years ago?
{A} is {a}. {B} is {b} years younger. How old is {B}?
> r=a-b | The answer in years is {eq}.

= a=N b=<a ; u=mass
{A} weighs {a u} and {B} weighs {b u}. How much heavier is {A} than {B}?
{A} bought {a u} of {@powder} and used {b u}. How much is left?
A bag held {a u} of {@powder}. {b u} spilled out. How many {u} are in the bag now?
A dog weighs {a u}. A cat weighs {b u}. How much less does the cat weigh?
> r=a-b | The difference is {eq u}. | So {eq u}.

= a=N b=<a ; u=len
A [rope|ribbon|board|pipe] is {a u} long. {A} cuts off {b u}. How long is the rest?
One [tree|building|tower] is {a u} tall and another is {b u} tall. How much taller is the first one?
{A} has to go {a} miles and has gone {b} miles. How many miles are left?
> r=a-b | The difference is {eq}. | That leaves {eq}.

= a=N b=<a ; u=vol
A [tank|barrel|pot] held {a u} of {@liquid}. {A} [used|drank|poured out] {b u}. How much was left?
> r=a-b | There were {eq u} left.

= a=L b=<a
{A} [scored|got] {a} points and {B} [scored|got] {b} points in {@game}. By how many points did {A} win?
{A's} team scored {a} points in total. {A} scored {b} of them. How many points did the rest of the team score?
{A} had {a} points in {@game} but lost {b}. What is {his} score now?
> r=a-b | The number of points is {eq}.

= a=N b=<a ; x=sale
The shop had {a x}. It sold {b} {@when}. How many {x} are left in the shop?
A store had {a x} and {b} were sold. How many {x} were not sold?
{b} of the {a x} in the shop were sold. How many remain?
> r=a-b | There are {eq x} left. | The shop still has {eq x}.

= a=N b=<a ; x=tree
There were {a x} in the [park|forest|yard]. A [storm|worker] [took down|removed] {b}. How many {x} are left?
There are {b x} in the park. After some more are planted there will be {a}. How many {x} will be planted?
> r=a-b | The number is {eq x}.

= a=N b=<a ; x=digital
{A} had {a x} on {his} [phone|computer|tablet] and [deleted|removed] {b} of them. How many {x} are left?
{A} has to [write|send|edit] {a x} and has finished {b}. How many are left?
> r=a-b | There are {eq x} left.
"""

MULTIPLICATION = """
= a=F b=F ; x=small box=box
{A} owns {a box} of {x}, and every {box.one} [holds|has|contains] {b}. How many {x} does {A} have [in all|altogether|]?
Every {box.one} has {b x} inside. How many {x} would you count in {a box}?
There are {a box} [on the table|in the room|in the garage]. Each {box.one} [holds|contains] {b x}. How many {x} are
    there [in all|in total]?
{A} [bought|filled|packed|has] {a box} with {b x} in each [one|{box.one}]. How many {x} is that [altogether|in all]?
If each {box.one} holds {b x}, how many {x} do {a box} hold?
{A} put {b x} into each of {a box}. How many {x} did {he} [use|put away]?
{A} [bought|has] {a box} of {x}. There were {b x} in every {box.one}. How many {x} did {he} get?
> r=a*b | There are {eq x}. | {a box} of {b} make {eq x}. | In all that is {eq x}.

= a=F b=F ; x=any
{x} are packed {b} to a [box|bag|crate]. {A} has {a} of them. How many {x} does {A} have?
{A} arranged {his} {x} in {a} rows with {b} in each row. How many {x} does {A} have?
There are {a} rows of {x} and {b x} in each row. How many {x} are there?
{A} made {a} [piles|groups|stacks] of {b x}. How many {x} did {A} use?
{A} shared {his} {x} among {a} friends and each got {b}. How many {x} were there?
{A} [divided|split|put] {his} {x} into {a} [groups|piles] with {b} in each. How many {x} does {A} have?
> r=a*b | There are {eq x}. | {a} times {b} gives {eq x}.

= a=F b=F ; x=crew t=furniture
At every one of the {a t} sat {b x}. How many {x} were there?
There are {a t} with {b x} at each. How many {x} are there in all?
> r=a*b | There are {eq x}.

= a=F b=F ; x=crew v=ride
{a v} [took|carried] {x} to {@venue}. Each {v.one} [held|carried] {b x}. How many {x} went?
Each {v.one} has room for {b x}. How many {x} can ride in {a v}?
If {b x} fit in a {v.one}, how many fit in {a v}?
> r=a*b | {a v} carry {eq x}. | The number of {x} is {eq}.

= a=F b=F ; x=sale
Each {x.one} costs {$b}. How much do {a x} cost?
{A} [bought|buys] {a x} for {$b} each. How much [did {he} spend|does {he} pay|money is that] [in all|altogether|]?
{x} cost {$b} each. {A} wants to buy {a} of them. How much money does {he} need?
If one {x.one} costs {$b}, what is the price of {a x}?
{A} sold {a x} at {$b} each. How much money did {he} [make|earn|get]?
How much do {a x} cost if each one costs {$b}?
The price of {x.a} is {$b}. What is the cost of {a x}?
> r=a*b | {a x} cost {eq $}. | The total is {eq $}. | That comes to {eq $}.

= a=F b=F
{A} earns {$b} [an|per|each|every] hour. How much does {he} earn in {a hour}?
{A} earned {$b} for each hour of {@chore}. {he} worked {a hour}. How much did {he} earn?
{A} saves {$b} each week. How much will {he} have saved after {a week}?
{A} gets {$b} a week for doing chores. How much money does {he} get in {a week}?
{A} spends {$b} on {@buy} every day. How much does {he} spend in {a day}?
> r=a*b | The amount is {eq $}. | In all that is {eq $}.

= a=F b=F
{A} [can run|can bike|goes|travels] at a speed of {b} miles an hour. How far does {he} go in {a hour}?
{A} {@went} for {a hour} at {b} miles per hour. How far did {A} go?
{A} {@move} {b} miles every hour. How many miles is that in {a hour}?
A [train|car|bus|boat] [goes|travels] {b} kilometers per hour. How far does it go in {a hour}?
{A} needed {a hour} to reach {B}, going {b} miles per hour. How far apart do they live?
If {A} {@went} {b} miles each day for {a day}, how many miles did {he} go?
> r=a*b | The distance is {eq}. | {a} times {b} is {eq}.

= a=F b=F
{A} can [walk|run|swim|hike|go] a mile in {b minute}. How long does {he} need for {a mile}?
{A} {@went} 1 mile every {b minute}. {he} went {a mile}. How many minutes did it take?
It takes {b minute} to [wash a car|paint a chair|bake a tray of rolls|clean a room]. How long does it take to do {a}
    of them?
{A} spends {b minute} {@act} every day. How many minutes is that in {a day}?
> r=a*b | It takes {eq minute}. | The time is {eq minute}.

= a=F b=F
{A} [reads|read] {b} pages [a|each|every|per] day. How many pages [does|did] {he} read in {a day}?
{A's} book has {a} chapters with {b} pages each. How many pages does the book have?
{A} can [type|write] {b} words in a minute. How many can {he} do in {a minute}?
> r=a*b | The number is {eq}. | That is {eq}.

= a=F b=F ; x=food
On each of {a} visits to {@store}, {A} bought {b x}. How many {x} did {A} buy?
{A} eats {b x} [a|each|every] day. How many {x} does {he} eat in {a day}?
A [cow|horse|monkey|bear|rabbit] eats {b x} a day. How many {x} does it need for {a day}?
Each [guest|child|friend|player] gets {b x}. How many {x} are needed for {a} of them?
{A} uses {b x} to make one [salad|pie|cake|jar of jam]. How many {x} does {he} need to make {a} of them?
> r=a*b | The number of {x} is {eq}. | In all that is {eq x}.

= a=F b=F
A recipe calls for {b} {@ingredient}. How many are needed to make the recipe {a} times?
Each [cake|batch of cookies|loaf of bread|pot of soup] needs {b} {@ingredient}. {A} is making {a} of them. How many
    does {he} need?
> r=a*b | The amount is {eq}.

= a=F b=F ; x=made
{A} makes {b x} [a|each|every] [day|hour]. How many {x} does {he} make in {a} of them?
It takes {b hour} to make {x.a}. How many hours does it take to make {a x}?
{A} can make {b x} in one hour. How many {x} can {he} make in {a hour}?
> r=a*b | The result is {eq}. | That is {a} times {b}: {eq}.

= a=F k=K ; x=thing
{A} has {a x}. {B} has {k.times} as many [{x} |]as {A}. How many {x} does {B} have?
{B} has {k.times} as many {x} as {A}. {A} has {a}. How many {x} does {B} have?
{A} [made|found|picked|bought] {a x} and {B} [made|found|picked|bought] {k.times} as many. How many {x} did {B} get?
> r=a*k | {B} has {eq x}. | {k.times} {a} is {eq x}.

= a=F k=P
{A} is {a} years old. {B} is {k.times} as old. How old is {B}?
> r=a*k | {B} is {eq} years old.

= a=F k=P
A [ribbon|rope|road|fence] is {a} meters long. Another one is {k.times} as long. How long is it?
{A} weighs {a} pounds. A bear weighs {k.times} as much. How much does the bear weigh?
A [shirt|book|toy] costs {$a}. A [coat|lamp|bag] costs {k.times} as much. How much is it?
> r=a*k | That is {eq}. | {k.times} {a} is {eq}.

= a=F ; x=food
{A} [buys|needs|has|baked] {a} dozen {x}. How many {x} is that?
A dozen is 12. How many {x} are in {a} dozen?
> r=a*12 | A dozen is 12, so there are {eq x}.

= a=D
{A} went on a trip for {a week}. How many days was {he} away?
How many days are there in {a week}?
> r=a*7 | A week has 7 days, so that is {eq day}.

= a=D
A [movie|lesson|trip|game] lasts {a hour}. How many minutes is that?
{A} spent {a hour} {@act}. How many minutes is that?
> r=a*60 | An hour has 60 minutes, so that is {eq minute}.

= a=D
{A} has {a dollar}. How many cents is that?
> r=a*100 | A dollar is 100 cents, so {A} has {eq cent}.

= a=D b=F
There are {b} [cents in a stack|beans in a pot|seats in a row|windows on a floor]. How many are in {a} of them?
A building has {a} floors with {b} rooms on each floor. How many rooms does it have?
A theater has {a} rows of {b} seats. How many seats are there?
{A's} team played {a} games and scored {b} points in each. How many points did they score?
A garden has {a} rows with {b} plants in a row. How many plants are in the garden?
> r=a*b | The total is {eq}. | {a} times {b} is {eq}.

= a=F b=F
A sheet of paper is {a} squares long and {b} squares wide. How many squares are there?
A [garden|room|field|rug] is {a} feet long and {b} feet wide. What is its area in square feet?
> r=a*b | The area is {eq}.

= a=F b=F
Every month a young [calf|goat|bear] gets {b} pounds heavier. How many pounds heavier is it after {a month}?
A candle burns {b} inches an hour. How many inches burn in {a hour}?
A machine [fills|makes|packs] {b} [bottles|boxes|cans|toys] each minute. How many does it do in {a minute}?
A tap gives {b} liters a minute. How many liters is that after {a minute}?
> r=a*b | The result is {eq}. | That is {eq}.

= b=F a=D ; c=color x=clothes
{A} has {b} {c} {x}. {B} has {a} times as many {c} {x} as {A}. How many {c} {x} does {B} have?
> r=b*a | {B} has {eq} {c} {x}.
"""

DIVISION = """
= k=F n=F t==k*n ; x=small
{A} has {t x}. {he} [shares|divides|splits] them [equally |evenly |]among {k} friends. How many {x} does each friend
    get?
{t x} belong to {A}, who hands them out fairly to {k} friends. How many {x} are there for each friend?
{A} wants to [share|split] {t x} equally with {k} people. How many does each person get?
If {A} shares {t x} equally between {k} friends, how many does each get?
{t x} are shared [equally|evenly] by {k} [children|friends|students|people]. How many {x} does each one get?
There are {k} [children|students|people] and {t x}. If the {x} are divided equally, how many does each one get?
A teacher gives {t x} to {k} students, the same number to each. How many {x} does each student get?
> r=t/k | Each one gets {eq x}. | Shared {k} ways that is {eq x} each.

= k=F n=F t==k*n ; x=any box=box
{A} keeps all {his} {t x} in {k box}. If each {box.one} has the same number, how many {x} are in one {box.one}?
{A} put {t x} into {k box}, with the same number in each. How many {x} are in each {box.one}?
{t x} are [packed|placed] equally in {k box}. How many {x} does each {box.one} hold?
{k box} hold {t x} in all. Each {box.one} holds the same number. How many {x} are in one {box.one}?
> r=t/k | Each {box.one} holds {eq x}. | In each {box.one} there are {eq x}.

= k=F n=F t==k*n ; x=any box=box
{A} has {t x}. {he} puts {n} in each {box.one}. How many {box} does {he} [need|use|fill]?
A {box.one} holds {n x}. How many {box} are needed for {t x}?
{A} wants to pack {t x} into {box} of {n}. How many {box} will there be?
If {A} has {t x} and each {box.one} holds {n}, how many {box} does {he} need?
{n x} fit in one {box.one}. {A} has {t x}. How many {box} can {he} fill?
> r=t/n | {A} needs {eq box}. | That fills {eq box}. | The number of {box} is {eq}.

= k=F n=F t==k*n ; x=any g=group
{A} arranges {t x} in {g} of {n}. How many {g} are there?
{A} has {t x}. If they are put into {g} of {n}, how many {g} can {he} make?
If {t x} are put in {g} with {n} in each, how many {g} will there be?
> r=t/n | There are {eq g}. | The number of {g} is {eq}.

= k=F n=F t==k*n ; x=any g=group
There are {t x} in {k} equal {g}. How many {x} are in each {g.one}?
{A} made {k} equal {g} out of {t x}. How many {x} are in [a|each] {g.one}?
{t x} were put into {k} {g}. If every {g.one} has the same number, how many {x} are there in each?
> r=t/k | In each {g.one} there are {eq x}.

= k=F n=F t==k*n ; x=crew
{t x} are going to {@venue}. They are divided into {k} groups. How many {x} are in each group?
{t x} [are in|came to] the gym. They make {k} equal teams. How many {x} are on each team?
There are {k} teachers and {t x}. Each teacher leads a group of the same size. How many {x} are in each group?
> r=t/k | Each group has {eq x}. | In each one there are {eq x}.

= k=F n=F t==k*n ; x=crew v=ride
{t x} are going to {@venue}. Each {v.one} holds {n}. How many {v} are needed?
There are {t x} and {n} seats in each {v.one}. How many {v} [are needed|do they need] for the trip?
The school plans a trip for {t x}. If {n} fit in a {v.one}, how many {v} should it order?
> r=t/n | They need {eq v}. | The number of {v} is {eq}.

= k=F n=F t==k*n ; x=crew f=furniture
{t x} want to sit down. Each {f.one} seats {n}. How many {f} are needed?
There are {t x} to be seated, {n} at each {f.one}. How many {f} will they fill?
> r=t/n | They need {eq f}.

= k=F n=F t==k*n ; x=sale
{A} [bought|has] {k x} for {$t}. How much does one {x.one} cost?
{k x} cost {$t}. What is the price of one {x.one}?
{A} paid {$t} for {k x}. If each one costs the same, how much is one {x.one}?
If {k x} cost {$t}, how much does each {x.one} cost?
> r=t/k | One {x.one} costs {eq $}. | Each costs {eq $}.

= k=F n=F t==k*n ; x=sale
{A} has {$t}. Each {x.one} costs {$n}. How many {x} can {he} buy?
With {t cent} in {his} pocket, {A} wants {x} that cost {n cent} each. How many can {he} buy?
{A} spent {$t} on {x}. Each one cost {$n}. How many {x} did {he} buy?
If {x.a} costs {$n}, how many {x} can be bought for {$t}?
{A} sold some {x} for {$n} each and made {$t}. How many {x} did {he} sell?
> r=t/n | That buys {eq x}. | The number of {x} is {eq}.

= k=F n=F t==k*n
{A} earned {$t} in {k hour}. How much did {he} earn [per|each|in one] hour?
{A} earned {$t} for working {k day}. How much was {he} paid each day?
{A} saved {$t} in {k week}. If {he} saved the same each week, how much was that per week?
{k} friends share a bill of {$t} equally. How much does each pay?
> r=t/k | Each time it was {eq $}. | That is {eq} dollars each.

= k=F n=F t==k*n
{A} earns {$n} an hour. How many hours must {he} work to earn {$t}?
{A} saves {$n} a week. How many weeks will it take to save {$t}?
{A} spends {$n} each week. How many weeks will {$t} last?
> r=t/n | It takes {eq}. | The number is {eq}.

= k=F n=F t==k*n
{A} {@moved} {t} miles at {n} miles per hour. How long did it take?
{A} {@went} {t} miles. {he} went {n} miles an hour. How many hours did {he} need?
A train goes {n} miles per hour. How many hours does it need for {t} miles?
{A} {@went} {n} miles a day. How many days did it take to go {t} miles?
{A} lives {t} miles away from {B}. How long does {A} need to get there at {n} miles per hour?
> r=t/n | The time is {eq}. | {t} divided by {n} is {eq}.

= k=F n=F t==k*n
{A} {@went} {t} miles in {k hour}. How fast did {he} go?
{A} {@moved} {t} miles in {k hour}. What was {his} speed in miles per hour?
{A} wants to go {t} miles in {k day}. How many miles is that each day?
{B} lives {t} miles away. {A} got there in {k hour}. What was the speed in miles per hour?
> r=t/k | The speed is {eq}. | In each one that is {eq mile}.

= k=F n=F t==k*n
{A's} book has {t} pages. {he} reads {n} pages [a|each|per] day. How many days [will it take|does {he} need] to finish
    it?
A book of {t} pages has chapters of {n} pages each. How many chapters does it have?
If {A} reads {n} pages a day, how many days does {he} need for {t} pages?
> r=t/n | The number is {eq}. | It takes {eq}.

= k=F n=F t==k*n
{A} read {t} pages in {k day}. How many pages is that [a|per|each] day?
A book has {t} pages in {k} equal chapters. How many pages are in each chapter?
{A} scored {t} points in {k} games, the same in each. How many points did {he} score per game?
{A} [typed|wrote] {t} words in {k minute}. How many words is that per minute?
> r=t/k | Each one has {eq}. | That is {eq} each.

= k=F n=F t==k*n
It takes {n} feet of cloth to make a [shirt|flag|dress]. How many can be made with {t} feet?
Each [cake|batch|loaf] needs {n} {@ingredient}. There are {t} in the kitchen. How many can {A} make?
{A} has {t} inches of {@cloth}. {he} cuts it into pieces of {n} inches. How many pieces are there?
A bottle holds {n} ounces of {@liquid}. How many bottles can be filled with {t} ounces?
> r=t/n | The number is {eq}. | That makes {eq}.

= k=F n=F t==k*n
{A} cuts a [rope|ribbon|board] of {t} feet into {k} equal pieces. How long is each piece?
{t} pounds of {@powder} are put into {k} equal bags. How many pounds are in each bag?
{A} pours {t} cups of {@liquid} into {k} jugs, the same amount in each. How many cups are in each jug?
> r=t/k | Each one gets {eq}. | In each one that is {eq}.

= k=F n=F t==k*n ; x=tree
{A} plants {t x} in {k} rows. How many {x} are in each row?
There are {t x} in {k} equal rows. How many are in a row?
> r=t/k | In each row there are {eq x}.

= k=F n=F t==k*n ; x=made
{A} made {t x} in {k day}. If {he} made the same number each day, how many {x} did {he} make a day?
{A} [sold|baked|made] {t x} in {k hour}. How many is that an hour?
> r=t/k | Each time it was {eq x}. | That is {eq} each.

= k=K n=F t==k*n ; x=thing
{A} has {t x}. That is {k.times} as many as {B} has. How many {x} does {B} have?
{A} has {k.times} as many {x} as {B}. {A} has {t x}. How many does {B} have?
> r=t/k | {B} has {eq x}.

= k=P n=F t==k*n ; x=thing
{A} has {t x}. {B} has {k.part} as many. How many {x} does {B} have?
{A} has {t x}. {B} has {k.part} as many {x} as {A}. How many {x} are {B's}?
> r=t/k | {B} has {eq x}.

= k=P n=F t==k*n ; x=small
{A} had {t x} and gave away {k.part} of them. How many {x} did {he} give away?
{A} has {t x}. {k.part} of them are broken. How many {x} are broken?
Of {t x}, {k.part} were sold. How many {x} were sold?
> r=t/k | {k.part} of {t} is {eq x}. | That is {eq x}.

= n=F t==12*n ; x=food
{A} has {t x}. How many dozen {x} is that?
{A} packs {t x} in cartons of a dozen. How many cartons are filled?
> r=t/12 | A dozen is 12, so that is {eq}.

= n=D t==7*n
{A} was on a trip for {t day}. How many weeks is that?
> r=t/7 | A week has 7 days, so that is {eq week}.

= n=D t==60*n
{A} spent {t minute} {@act}. How many hours is that?
> r=t/60 | An hour has 60 minutes, so that is {eq hour}.

= n=F t==10*n ; x=thing
{A} has {t x}. 10% of them are [old|blue|broken]. How many are [that|those]?
10% of {t x} were sold. How many were sold?
> r=t/10 | 10% is one tenth, so that is {eq x}.

= n=F t==2*n ; x=thing
{A} has {t x}. 50% of them are [new|red|small]. How many [is that|are those]?
A shop sold 50% of its {t x}. How many {x} did it sell?
{A} gives half of {his} {t x} to {B}. How many {x} does {B} get?
> r=t/2 | One half of {t} is {eq x}.

= n=F t==4*n ; x=crew
25% of {t x} [wear glasses|walk to school|are new]. How many {x} is that?
> r=t/4 | 25% is one fourth, so that is {eq x}.

= n=F t==5*n
{@goal} costs {$t}. The price is cut by 20%. How many dollars is the discount?
> r=t/5 | 20% is one fifth, so the discount is {eq $}.
"""
