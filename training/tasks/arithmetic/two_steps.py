"""Patterns of two operations (the format is described in ``engine``)."""

from __future__ import annotations

TWO = """
= k=S n=S t==k*n u=N a==u+t ; x=sale box=box
{A} [had|was selling {his} old {x}. {he} had] {a x} [but sold|and sold] {u} of them. {he} packed the rest with {n} in
    each {box.one}. How many {box} did {he} [use|need]?
{A} had {a x}. After {he} gave away {u}, {he} put the others into {box} of {n}. How many {box} were filled?
{A} has {a x}. {he} uses {u} and packs the rest into {box}, {n} in each. How many {box} does {he} need?
There were {a x}. {u} were sold. The rest go into {box} that hold {n} each. How many {box} are needed?
> l=a-u | There are {eq x} left. | Without the {u} there are {eq x}.
> r=l/n | Packing {n} in each takes {eq box}. | That fills {eq box}.

= k=S n=S t==k*n u=N a==u+t ; x=crew
{a x} came to the first [practice|meeting|lesson]. {u} of them gave up. The others were put into {k}
    [groups|teams]. How many {x} were in each?
There are {a x}. If {u} leave and the rest make {k} equal groups, how many {x} are in each group?
A club has {a x} but {u} are away. The rest split into {k} equal teams. How many {x} are on a team?
> l=a-u | There are {eq x} left. | The others are {eq x}.
> r=l/k | Each group has {eq x}. | In each there are {eq x}.

= k=S n=S t==k*n u=N a==u+t ; x=digital
{A} had {a x}. {he} put {u} in one folder and the rest into {k} other folders equally. How many {x} were in each of
    these folders?
{A} [saved|uploaded] {a x}. {u} went to the first album and the others into {k} equal albums. How many {x} were in
    each of the {k} albums?
> l=a-u | The rest are {eq x}.
> r=l/k | Each of the {k} gets {eq x}.

= k=S n=S t==k*n a=<t b==t-a ; x=thing box=pack
{A} has {a x} and {B} has {b}. They [put them together and |]pack all of them into {box} of {n}. How many {box} do
    they need?
{A} [picked|made|found] {a x} and {B} [picked|made|found] {b}. If {n} fit in a {box.one}, how many {box} can they fill?
{A} had {a x}. {he} bought {b more} and packed all in {box} of {n}. How many {box} did {he} use?
> s=a+b | There are {eq x} in all. | Together that is {eq x}.
> r=s/n | With {n} in each, that is {eq box}. | They fill {eq box}.

= k=S n=S t==k*n a=<t b==t-a ; x,y=food
{A} [baked|made|bought] {a x} and {b y} for {@event}. {he} puts {n} on each plate. How many plates does {he} need?
A cook made {a x} and {b y}. If {n} things fit on a tray, how many trays are needed?
> s=a+b | In all there are {eq item}. | Together there are {eq} items.
> r=s/n | With {n} on each, that is {eq}.

= k=S n=S t==k*n a=<t b==t-a ; v=ride
{A's} class is going to {@venue}. There are {a} students and {b} [adults|parents|teachers]. If each {v.one} holds {n}
    people, how many {v} do they need?
{a} girls and {b} boys are going to {@venue}. Each {v.one} can take {n}. How many {v} are needed?
> s=a+b | There are {eq} people in all. | Altogether {eq} people go.
> r=s/n | They need {eq v}. | With {n} in each, they need {eq v}.

= k=S n=S t==k*n a=<t b==t-a ; x=thing
{A} has {a x}. {he} gets {b more} and shares all of them equally with {k} friends, keeping none. How many does each
    friend get?
{A} and {B} [picked|collected|made] {a} and {b x}. They gave all of them to {k} [children|friends], the same number to
    each. How many {x} did each get?
A group of {k} friends had {a x} and bought {b more}. If they each got the same number, how many {x} did each get?
> s=a+b | In all there are {eq x}.
> r=s/k | Each one gets {eq x}.

= k=S n=S t==k*n a=<t b==t-a ; box=box c,d=color x=any
{A} has {a} {c} {x} and {b} {d} {x}. {he} puts them into {k} {box} equally. How many {x} are in each {box.one}?
There are {a} {c} and {b} {d} {x}. If they are shared equally by {k} people, how many {x} does each get?
> s=a+b | There are {eq x} in total.
> r=s/k | Each gets {eq x}.

= k=S n=S t==k*n a=<t b==t-a
{A} made {$a} from {@chore} and {$b} from {@chore}. If {he} spends {$n} [a|each] week, how many weeks will the money
    last?
{A} had {$a} and got {$b} {@gift}. How many toys that cost {$n} each can {he} buy?
{A} saved {$a} in {@month} and {$b} in {@month}. How many tickets for {$n} each can {he} buy?
> s=a+b | {A} has {eq $} in all. | In total that is {eq $}.
> r=s/n | At {n} dollars each, that is {eq}. | So the number is {eq}.

= k=S n=S t==k*n u=N a==u+t ; x=sale
{A} had {$a}. {he} spent {$u} on {@buy} and used the rest to buy {x} for {$n} each. How many {x} did {he} buy?
{A} has {$a}. After paying {$u} for {@goal}, how many {x} at {$n} each can {he} buy?
> l=a-u | There are {eq $} left.
> r=l/n | That buys {eq x}.

= k=S n=S t==k*n u=N a==u+t ; x=sale
{A} had {$a}. After {he} bought {k x}, {he} had {$u} left. How much did each {x.one} cost?
{A} paid with {$a} for {k x} and got {$u} back. What was the price of one {x.one}?
> l=a-u | {A} spent {eq $}. | The {x} cost {eq $}.
> r=l/k | Each costs {eq $}. | One {x.one} costs {eq $}.

= a=S b=<a p=S ; x=sale
{A} had {a x}. {b} of them were [broken|damaged|old]. {he} sold the others for {$p} each. How much [money |]did {he}
    [make|earn|get]?
{A} had {a x} but {b} did not work. If {he} sold the rest for {$p} each, how much could {he} earn?
{A} [brought|had] {a x} to sell for {$p} each, and {b} of them were still there in the evening. How much money did
    {he} make?
The price is {$p} for {x.a}. Of {his} {a x} {A} could not sell {b}. How much did {he} earn?
A shop sold {x} for {$p} each. It started with {a x} and had {b} left. How much money did it earn?
> l=a-b | {A} had {eq x} to sell. | The number sold is {eq}.
> r=l*p | At {p} dollars each, that is {eq $}. | They bring {eq $}.

= a=S b=<a p=S
{A} earns {$p} for each [lawn {he} mows|car {he} washes|dog {he} walks|room {he} cleans]. {he} had {a} to do but
    [forgot|skipped] {b}. How much did {he} earn?
{A} had {a} jobs that pay {$p} each, but {he} did not do {b} of them. How much money did {he} make?
A singer had {a} listeners in the street. {b} of them gave nothing. The others gave {$p} each. How much did the singer
    get?
> l=a-b | The number that paid is {eq}. | Without those {b}, there are {eq}.
> r=l*p | At {p} dollars each, that is {eq $}.

= a=S b=<a p=S
{A} gets {p} points for each [enemy|dragon|star|bag of cans|puzzle]. There were {a}, but {he} missed {b}. How many
    points did {he} get?
A level in a game has {a} [monsters|coins|gems] worth {p} points each. {A} got all but {b} of them. What was {his}
    score?
{A's} team had {a} players, but {b} did not come. Each of the others scored {p} points. How many points did the team
    score?
> l=a-b | There are {eq} that count. | Without the {b}, it is {eq}.
> r=l*p | With {p} points each, that is {eq point}.

= a=S b=<a p=S
{A} has to [paint|clean] {a} rooms. {he} has done {b}. Each room takes {p hour}. How many hours will the rest take?
{A} needs to [cook|bake] {a} [potatoes|pies|eggs]. {b} are already done. Each one takes {p minute}. How many minutes
    does {he} need for the rest?
{A} has {a} worksheets to grade and has graded {b}. Each has {p} problems. How many problems are left to grade?
If {A} has {a} books to read, has read {b}, and each takes {p hour}, how many hours are left?
> l=a-b | There are {eq} left to do. | Still to do are {eq}.
> r=l*p | That takes {eq}. | With {p} each, that is {eq}.

= a=S b=<a p=S ; x=collect
{A} needs {a x} for a set and has {b}. Each {x.one} costs {$p}. How much will it cost to finish the set?
{A} had {b x} but needed {a} in all. If each costs {$p}, how much money does {he} need?
> l=a-b | {A} still needs {eq x}. | Missing are {eq x}.
> r=l*p | They cost {eq $}. | At {p} dollars each, that is {eq $}.

= a=S b=<a p=S ; x=food
{A} bought {a} boxes of {x}. {he} gave {b} boxes to {B}. If there are {p x} in each box, how many {x} does {A} still
    have?
{A} had {a} bags with {p x} in each. {he} used {b} bags. How many {x} are left?
> l=a-b | {A} still has {eq} of them. | There are {eq} left.
> r=l*p | With {p} in each, that is {eq x}.

= a=S b=S p=S ; x=food
{A} bought {a} boxes of {x} and {B} bought {b} boxes. Each box holds {p x}. How many {x} do they have?
There were {a} trays of {x} on one shelf and {b} on another. Each tray has {p x}. How many {x} are there?
{A} packed {a} bags in the morning and {b} in the afternoon. Each bag has {p x}. How many {x} were packed?
> s=a+b | There are {eq} of them. | In all that is {eq}.
> r=s*p | With {p} in each, that makes {eq x}. | They hold {eq x}.

= a=S b=S p=S
{A} bought {a} tickets for the [ride|slide] and {b} tickets for the [train|wheel]. Each ticket costs {$p}. How much
    did {he} spend?
{A} bought {a} books about {@subject} and {b} books about {@subject}. Each book cost {$p}. How much did {he} spend in
    all?
{A} worked {a hour} on {@day} and {b hour} on {@day}. {he} is paid {$p} an hour. How much did {he} earn?
{A} sold {a} [cups|boxes] in the morning and {b} in the afternoon, for {$p} each. How much money did {he} get?
> s=a+b | In all there are {eq}. | Together that is {eq}.
> r=s*p | At {p} dollars each, that is {eq $}.

= a=S b=S p=S
{A} [answered|got] {a} questions right in the first half and {b} in the second half. Each is worth {p} points. What
    was {his} final score?
{A} found {a} [stars|treasures] on the first level and {b} on the second. Each gives {p} points. What is {his} score?
{A} [ran|swam] {a} laps on {@day} and {b} laps on {@day}. Each lap is {p} [meters|minutes]. How much is that in all?
> s=a+b | In all there are {eq}.
> r=s*p | With {p} for each, that is {eq}.

= a=S b=S p=N ; x=small box=pack
{A} has {a box} of {x} with {b} in each. {he} also has {p} [more|extra|loose] {x}. How many {x} does {he} have
    [altogether|in all]?
{A} bought {a box} of {b x}. {he} already had {p x}. How many {x} does {A} have now?
There are {a box} of {b x} and {p} loose {x}. How many {x} are there in total?
> m=a*b | The {box} hold {eq x}. | In the {box} there are {eq x}.
> r=m+p | With the other {p}, there are {eq x}. | In all there are {eq x}.

= a=S b=S p=<a*b ; x=small box=pack
{A} has {a box} with {b x} in each. {he} [gives|sells] {p} [to {B}|away]. How many {x} are left?
{A} bought {a box} of {x}. Each had {b x}. {he} used {p} of them. How many {x} does {he} have left?
There are {a box} with {b x} each. If {p} are taken out, how many {x} are left?
{A} made {a} [batches|rows] of {b x}. {p} were broken. How many were good?
> m=a*b | At first there are {eq x}. | In all there are {eq x}.
> r=m-p | After that there are {eq x}. | That leaves {eq x}.

= a=S p=S k=M c==a*p+k ; x=sale
{A} bought {a x} for {$p} each. {he} paid with {$c}. How much change did {he} get?
{A} has {$c}. {he} buys {a x} that cost {$p} each. How much money does {he} have left?
{A} had {$c} and bought {a x} at {$p} each. How much is left?
> m=a*p | The {x} cost {eq $}. | {A} pays {eq $}.
> r=c-m | That leaves {eq $}. | {A} has {eq $} left.

= a=S p=S k=<a*p ; x=sale
{A} wants to buy {a x} that cost {$p} each. {he} has {$k}. How much more money does {he} need?
{x} cost {$p} each. {A} needs {a} but only has {$k}. How much more does {he} need?
> m=a*p | The {x} cost {eq $}.
> r=m-k | {A} needs {eq} more dollars.

= a=S p=S k=N ; x=sale
{A} bought {a x} for {$p} each and {@goal} for {$k}. How much did {he} spend in all?
{A} sold {a x} for {$p} each. {he} already had {$k}. How much money does {he} have now?
{A} pays {$k} to rent a [bike|boat|room] plus {$p} an hour. How much does {he} pay for {a hour}?
{A} earns {$p} an hour. {he} worked {a hour} and got a tip of {$k}. How much did {he} get?
> m=a*p | {a} times {p} dollars is {eq $}. | The first part is {eq $}.
> r=m+k | With the {k} dollars, that is {eq $}. | In all that is {eq $}.

= a=N b=<a c=N ; x=thing
{A} had {a x}. {he} [gave away|sold|lost] {b} and then [bought|got|found] {c more}. How many {x} does {he} have now?
{A} had {a x}. If {he} sold {b} of them and [bought|made] {c} new ones, how many {x} would {he} have?
For {@event} {A} made {a x}. If {he} sold {b} and then made {c more}, how many {x} would {he} have?
There were {a x} in the box. {A} took {b} out and put {c} in. How many {x} are in the box?
> l=a-b | After that {A} had {eq x}. | That left {eq x}.
> r=l+c | With {c} more there are {eq x}. | Then there are {eq x}.

= a=N b=N c=<a+b ; x=thing
{A} had {a x}. {he} got {b more} but then [lost|gave away|sold] {c}. How many {x} does {he} have [now|left]?
{A} has {a x} and {B} has {b}. Together they [use|sell] {c}. How many {x} are left?
{A} and {his} [mom|dad|friend] picked {x}. {A} picked {a} and the other one picked {b}. If {c} were good, how many
    were bad?
{A} bought {a x} {@when} and {b more} later. {c} of them were used up. How many are left?
> s=a+b | In all there are {eq x}. | Together that is {eq x}.
> r=s-c | That leaves {eq x}. | Then there are {eq x}.

= a=N b=N c=<a+b ; c1,c2=color x=produce
The school [kitchen|cafeteria] ordered {a} {c1} and {b} {c2} {x}. {c} students took one each. How many {x} were left
    over?
A shop had {a} {c1} {x} and {b} {c2} {x}. It sold {c} of them. How many {x} were left?
> s=a+b | There were {eq x} in all.
> r=s-c | That leaves {eq x}.

= a=N b=N c=<a+b ; x,y=dessert
{A} baked {a x} and {b y} for {@event}. {he} had {c} left at the end. How many did {he} sell?
{A} made {a x} and {b y}. {his} friends ate {c} of them. How many desserts were left?
> s=a+b | {A} made {eq} in all.
> r=s-c | Without {c}, that is {eq}.

= a=N b=N c=<a+b
{A} had {$a}. {he} got {$b} {@gift} and then spent {$c} on {@buy}. How much money does {he} have now?
{A} earned {$a} {@chore} and {$b} {@chore}. {he} spent {$c}. How much is left?
In {@game} {A} got {a} points in the first round and {b} in the second. Then {he} lost {c} points. What was the final
    score?
> s=a+b | At first that makes {eq}. | Together that is {eq}.
> r=s-c | After taking off {c} it is {eq}. | That leaves {eq}.

= a=N b=N c=<a+b
{A} got a thick [workbook|sketchbook|album] of {a} pages and a thin one of {b}. {he} has [done|finished|filled]
    {c} pages. How many pages are left?
{A} has {a} {@subject} problems and {b} {@subject} problems for homework. {he} finished {c} of them. How many are left?
> s=a+b | There are {eq} in all.
> r=s-c | There are {eq} left.

= a=N b=N c=N ; x,y,z=animal
{A} saw {a x}, {b y} and {c z} {@outdoor}. How many animals did {he} see in all?
A [zoo|farm|park] has {a x}, {b y}, and {c z}. How many animals is that?
> s=a+b | The {x} and {y} are {eq}. | Two kinds together are {eq}.
> r=s+c | With the {z}, there are {eq} animals.

= a=N b=N c=N ; x=thing
{A} [found|bought|sold|made] {a x} on {@day}, {b} on {@day} and {c} on {@day}. How many {x} is that in all?
{A} has {a x}, {B} has {b}, and {C} has {c}. How many {x} do they have [altogether|in all]?
{A} had {a x}. {B} gave {A} {b} and {C} gave {A} {c}. How many {x} does {A} have now?
> s=a+b | The first two make {eq x}. | First, that is {eq x}.
> r=s+c | With {c} more there are {eq x}. | In all there are {eq x}.

= a=N b=N c=N
{A} spent {$a} on {@buy}, {$b} on {@buy} and {$c} on {@goal}. How much did {he} spend?
{A} earned {$a} on {@day}, {$b} on {@day}, and {$c} on {@day}. What did {he} earn in all?
{A} {@moved} {a} miles on the first day, {b} on the second and {c} on the third. How many miles did {he} go?
A class has {a} girls, {b} boys and {c} teachers on a trip. How many people is that?
> s=a+b | The first two make {eq}.
> r=s+c | Adding {c}, the total is {eq}.

= a=N b=<a-3 c=1..a-b-1 ; x=thing
{A} had {a x}. {he} gave {b} to {B} and {c} to {C}. How many {x} does {A} have left?
{A} had {a x}. {he} used {b} on {@day} and {c} on {@day}. How many are left?
There were {a x} in the shop. {b} were sold in the morning and {c} in the afternoon. How many {x} are left?
Of {A's} {a x}, {b} are old, {c} are used and the rest are new. How many {x} are new?
> l=a-b | After the first {b}, there are {eq x}. | Without {b} there are {eq x}.
> r=l-c | Then there are {eq x}. | That leaves {eq x}.

= a=N b=<a-3 c=1..a-b-1
{A} has {$a}. {he} buys {@buy} for {$b} and {@buy} for {$c}. How much money is left?
{A} had {$a}. {he} spent {$b} {@when} and {$c} later. How much does {he} have now?
{A} has a book of {a} pages. {he} read {b} pages on {@day} and {c} on {@day}. How many pages are left?
It is {a} miles to {@venue}. {A} goes {b} miles and then {c} more. How many miles are left?
> l=a-b | First, {eq} are left. | After the first part it is {eq}.
> r=l-c | Then {eq} are left. | That leaves {eq}.

= a=N b=N ; x=thing
{A} has {a x}. {B} has {b more} than {A}. How many {x} do they have [together|altogether|in all]?
{A} [made|picked|sold] {a x} and {B} [made|picked|sold] {b} more than that. How many was it in all?
> s=a+b | {B} has {eq x}. | The other number is {eq}.
> r=s+a | Together that is {eq x}.

= a=N b=<a ; x=thing
{A} has {a x}. {B} has {b} fewer than {A}. How many {x} do they have [together|altogether]?
{A} found {a x}, which is {b} more than {B} found. How many {x} did they find in all?
> s=a-b | {B} has {eq x}. | The number for {B} is {eq}.
> r=s+a | Together that is {eq x}.

= a=F k=K ; x=thing
{A} has {a x}. {B} has {k.times} as many. How many {x} do they have [together|altogether|in all]?
{A} [found|made|sold] {a x} and {B} [found|made|sold] {k.times} as many. How many {x} is that in total?
> m=a*k | {B} has {eq x}. | For {B} that is {eq x}.
> r=a+m | Together they have {eq x}. | The sum is {eq x}.

= a=F k=K ; x=thing
{A} has {a x}. {B} has {k.times} as many. How many more {x} does {B} have than {A}?
> m=a*k | {B} has {eq x}.
> r=m-a | The difference is {eq x}.

= a=F k=P b=N ; x=thing
{A} has {a x}. {B} has {b} more than {k.times} as many as {A}. How many {x} does {B} have?
> m=a*k | {k.times} {a} is {eq}.
> r=m+b | {b} more makes {eq x}.

= k=P n=F a==k*n ; x=thing
{A} has {a x}. {B} has {k.part} as many. How many {x} do they have together?
{A} [sold|made] {a x} in {@month} and {k.part} as many in {@month}. How many is that altogether?
> m=a/k | {k.part} of {a} is {eq}.
> r=a+m | Together that is {eq x}.

= k=P n=F a==k*n ; x=thing
{A} had {a x}. {he} gave {k.part} of them to {B}. How many {x} does {A} have left?
{A} had {a x} and [sold|lost|used] {k.part} of them. How many are left?
{k.part} of the {a x} in a box are broken. How many are not broken?
> m=a/k | {k.part} of {a} is {eq x}.
> r=a-m | That leaves {eq x}.

= k=P n=F a==k*n
A class has {a} students. {k.part} of them are boys. How many are girls?
{A} had {$a}. {he} spent {k.part} of it on {@buy}. How much money is left?
A book has {a} pages. {A} has read {k.part} of it. How many pages are left?
> m=a/k | {k.part} of {a} is {eq}.
> r=a-m | The rest is {eq}.

= a=S b=S c=S
{A} can [make|pack|bake] {a} [cakes|boxes|toys] an hour. {he} works {b hour} a day for {c day}. How many is that?
There are {a} [floors|rows] with {b} [rooms|tables] each. Each has {c} chairs. How many chairs are there?
{A} {@went} {a} miles an hour for {b hour} each day. How far was that in {c day}?
{A} gives {c} friends {a} bags each. There are {b} [candies|nuts|beads] in each bag. How many does {he} give away?
> m=a*b | First, {eq}. | {a} times {b} gives {eq}.
> r=m*c | For all {c}, that is {eq}. | Times {c} makes {eq}.

= a=S b=S c=D
{A} earns {$a} an hour and works {b hour} a day. How much does {he} earn in {c day}?
> m=a*b | {a} times {b} is {eq $}.
> r=m*c | For {c} that is {eq $}.

= a=S b=D
{A} saves {$a} a day. How much does {he} save in {b week}?
{A} [runs|reads|works] {a hour} a day. How many hours is that in {b week}?
> d=b*7 | That is {eq day}.
> r=a*d | In all that is {eq}.

= a=S b=S ; x=food
{A} bought {a} dozen {x} and ate {b} of them. How many {x} are left?
> m=a*12 | A dozen is 12, so there were {eq x}.
> r=m-b | That leaves {eq x}.

= p=S a=S e=M b==a*p+e ; x=food
{A} bought {a} dozen {x} for {$p} a dozen. {he} had {$b}. How much money does {he} have left?
> m=a*p | The {x} cost {eq $}.
> r=b-m | That leaves {eq $}.

= k=S n=S c=S t==k*n ; x=thing
{n x} cost {$t}. How much do {c x} cost?
{A} paid {$t} for {n x}. How much would {c x} cost?
> u=t/n | One {x.one} costs {eq $}.
> r=u*c | {c} of them cost {eq $}.

= k=S n=S c=S t==k*n
{A} {@went} {t} miles in {n hour}. How far would {he} go in {c hour} at the same speed?
{A} reads {t} pages in {n day}. How many pages does {he} read in {c day}?
A machine makes {t} toys in {n hour}. How many does it make in {c hour}?
> u=t/n | In one that is {eq}.
> r=u*c | In {c} that is {eq}.

= k=S n=S t==k*n c=<k ; x=thing
{A} shares {t x} equally among {n} friends. Each friend then [uses|loses|eats] {c}. How many does each friend have left?
{A} puts {t x} in {n} equal piles. {he} takes {c} from one pile. How many are left in this pile?
> u=t/n | Each has {eq x} at first.
> r=u-c | That leaves {eq x}.

= k=S g=S p=S ?g*p%k==0 ; x=thing box=pack
{A} has {g box} with {p x} in each. {he} shares them equally among {k} friends. How many {x} does each get?
> m=g*p | There are {eq x}.
> r=m/k | Each gets {eq x}.

= k=S n=S e=S t==e+k*n ; x=thing
{A} had {t} points in all. {he} scored {e} points and each of the other players scored {n}. How many other players
    were there?
{A's} team scored {t} points. {A} scored {e} of them and everyone else scored {n} each. How many others were on the
    team?
{A} used {t x} for {@event}. {e} were for {him} and each guest got {n}. How many guests were there?
> l=t-e | The others have {eq}.
> r=l/n | Their number is {eq}.

= k=S n=S t==k*n a=<t b==t-a ; x=kitchen
{A} has to bring {a} dirty and {b} clean {x} to the kitchen. Only {n} fit in {his} basket. How many times must {he}
    walk?
There are {a x} in the kitchen and {b} in the hall. If {A} carries {n} at once, how many trips are needed?
> s=a+b | There are {eq x} to carry.
> r=s/n | With {n} at a time, that takes {eq trip}.

= k=S n=S t==k*n a=<t b==t-a
For every {n} [pounds|cans|bottles] that they recycle, {A} and {his} class get one point. {A} brought {a} and the class
    brought {b}. How many points did they get?
A shop gives one free [drink|sticker] for every {n} [points|stamps]. {A} had {a} and got {b more}. How many free ones
    can {he} get?
A game ticket costs {n} [coins|tokens]. {A} won {a} and then {b more}. How many tickets can {he} buy?
> s=a+b | In all there are {eq}.
> r=s/n | For every {n} there is one, so that is {eq}.

= k=S n=S t==k*n a=<t b==t-a ; x=pet
A [shelter|pet shop] had {a x} and got {b more}. If {n} find a home each day, how many days until all are gone?
The shop had {a x} when {b more} arrived. They are put in cages of {n}. How many cages are needed?
> s=a+b | There are {eq x} in all.
> r=s/n | With {n} each, that is {eq}.

= k=S n=S t==k*n u=N a==u+t ; x=pet+farm
A pet shop had {a x}. It sold {u} and put the rest in cages with {n} in each. How many cages were used?
{A} had {a x}. {u} ran away. The rest live in pens of {n}. How many pens are there?
> l=a-u | There are {eq x} left.
> r=l/n | With {n} in each, that is {eq}.

= k=S n=S t==k*n a=<t b==t-a ; x=collect
{A} is putting {his} {x} in an album. {he} has {a} old and {b} new ones, and {n} fit on a page. How many pages does
    {he} fill?
{A} wants to place {n x} on each page. {he} has {a x} and {B} brings {b more}. How many pages are needed?
> s=a+b | There are {eq x}.
> r=s/n | With {n} on a page, that is {eq page}.

= a=S b=S p=S
{a} friends were playing a game when {b more} joined. Each player [has|gets] {p} [lives|cards|coins]. How many is that
    in total?
A club had {a} members and {b more} joined. Each of them pays {$p}. How much do they pay in all?
A shelf unit has {a} shelves of {@subject} books and {b} shelves of {@subject} books. Each shelf has {p} books. How
    many books are there?
{A} bought {a} boxes of nails and {b} boxes of screws. There are {p} in each box. How many pieces did {he} get?
A baker used {a} bags of flour in the morning and {b} at night. Each bag weighs {p} pounds. How many pounds is that?
> s=a+b | In all there are {eq}. | Together that is {eq}.
> r=s*p | With {p} each, that is {eq}. | Times {p} gives {eq}.

= a=S b=<a p=S
{a} friends were playing a game but {b} of them quit. Each one left has {p} [lives|cards|points]. How many do they
    have in all?
{A} picked {a} bunches of flowers and {b} of them wilted. Each bunch has {p} flowers. How many good flowers are left?
A school ordered {a} boxes of paper but {b} were missing. Each box has {p} packs. How many packs did it get?
{A} planned {a} trips but made {b} fewer. Each trip is {p} miles. How many miles did {he} go?
Of {a} tables in a cafe, {b} were empty. {p} people sat at each of the others. How many people were there?
> l=a-b | There are {eq} left. | Without {b}, that is {eq}.
> r=l*p | With {p} each, that is {eq}. | Times {p} gives {eq}.

= a=S b=S p=S ; x=furniture
Each {x.one} [seats|has room for] {a} girls and {b} boys. How many children can sit at {p x}?
{A} makes {p} [salads|bouquets]. Each has {a} red and {b} yellow parts. How many parts does {he} use?
A team gets {a} points for a win and {b} more as a bonus. It wins {p} times with the bonus. How many points is that?
{A} has {p} folders. Each holds {a} letters and {b} photos. How many things are in the folders?
> s=a+b | Each one has {eq}.
> r=s*p | For {p} that is {eq}. | Times {p} gives {eq}.

= k=S n=S t==k*n u=<n ; x=made
It takes {k hour} to make {t x}. {A} has to hand in {u} each hour and keeps the others. How many does {he} keep each
    hour?
{A} divides {t x} into {k} equal boxes. Then {u} are taken from each box. How many are left in each box?
> m=t/k | At first that is {eq} each.
> r=m-u | After taking {u} there are {eq}.

= k=S n=S t==k*n e=N ; x=thing
{A} shared {t x} equally with {k} people in all. {B} is one of them and had {e x} before. How many {x} does {B} have
    now?
{t x} were divided equally among {k} children. {B} already had {e}. If {B} is one of the children, how many does {B}
    have?
> m=t/k | Each gets {eq x}.
> r=m+e | {B} has {eq x}.

= a=N b=N c=N ; x=thing
{A} has {a} more {x} than {B}. {B} has {b x}. {A} then gets {c more}. How many {x} does {A} have now?
> s=b+a | {A} first has {eq x}.
> r=s+c | With {c} more, {A} has {eq x}.

= a=M b=S c=S ?a>c
{A} is {a} years old. {B} is {b} years older than {A}. How old was {B} {c} years ago?
{B} is {b} years older than {A}, who is {a}. What was the age of {B} {c} years ago?
> s=a+b | {B} is {eq} years old now.
> r=s-c | Then {B} was {eq} years old.

= a=M b=<a c=S
{A} is {a} years old. {B} is {b} years younger. How old will {B} be in {c} years?
> s=a-b | {B} is {eq} years old now.
> r=s+c | Then {B} will be {eq} years old.

= a=S b=S
A [room|garden|field|yard] has two long sides of {a} feet and two short sides of {b} feet. How long is the way around?
A rectangle has sides of {a} and {b}. It has two sides of each length. What is its perimeter?
> s=a+b | One long and one short side make {eq}.
> r=s*2 | There are two of each, so it is {eq}.

= n=F t==10*n
{@goal} costs {$t}. It is on sale for 10% off. What is the new price?
{A} has {$t} and spends 10% of it. How much money is left?
> m=t/10 | 10% is one tenth: {eq $}.
> r=t-m | That leaves {eq $}.

= n=F t==5*n
{@goal} cost {$t}. The price went down by 20%. What is the price now?
{A} earns {$t} and saves 20% of it. How much is left to spend?
> m=t/5 | 20% is one fifth: {eq $}.
> r=t-m | That leaves {eq $}.

= n=F t==4*n
There are {t} children at camp. 25% of them can swim. How many cannot swim?
{A} had {t} pages to read and has read 25% of them. How many pages are left?
> m=t/4 | 25% is one fourth: {eq}.
> r=t-m | The rest are {eq}.
"""
