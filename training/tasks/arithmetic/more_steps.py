"""Patterns of three to six operations (the format is described in ``engine``)."""

from __future__ import annotations

MORE = """
= a=S p=S b=S q=S ; x,y=sale
{A} [bought|sold] {a x} for {$p} each and {b y} for {$q} each. How much [money |]was that in all?
{A} buys {a x} and {b y}. Each {x.one} costs {$p} and each {y.one} costs {$q}. How much does {he} pay?
The price of {x.a} is {$p} and {y.a} costs {$q}. How much do {a x} and {b y} cost?
> m=a*p | The {x} cost {eq $}. | For {a x} that is {eq $}.
> n=b*q | The {y} cost {eq $}. | For {b y} that is {eq $}.
> r=m+n | In all that is {eq $}. | Together they cost {eq $}.

= a=S p=S b=S q=S ; x=thing
{A} has {a} boxes with {p x} in each and {b} bags with {q x} in each. How many {x} does {he} have [in all|altogether]?
{A} has {a} boxes of {p x}. {B} has {b} boxes of {q x}. How many {x} do they have together?
There are {a} rows of {p} chairs and {b} rows of {q} chairs. {A} counted them. How many chairs are there?
{A} worked {a hour} a day for {p day} and {b hour} a day for {q day}. How many hours was that?
> m=a*p | First, there are {eq}. | {a} times {p} is {eq}.
> n=b*q | Then there are {eq}. | {b} times {q} is {eq}.
> r=m+n | In all that is {eq}. | Together it is {eq}.

= a=S p=S b=S q=S ?a*p>b*q ; x,y=sale
{A} bought {a x} for {$p} each. {B} bought {b y} for {$q} each. How much more did {A} spend?
{A} earned {$p} an hour for {a hour}. {B} earned {$q} an hour for {b hour}. How much more did {A} earn?
> m=a*p | {A} has {eq $}.
> n=b*q | {B} has {eq $}.
> r=m-n | The difference is {eq $}.

= a=S p=S b=S q=S e=M c==a*p+b*q+e ; x,y=sale
{A} had {$c}. {he} bought {a x} for {$p} each and {b y} for {$q} each. How much money [is left|does {he} have left]?
{A} pays for {a x} at {$p} each and {b y} at {$q} each with {$c}. How much change does {he} get?
{A} buys {a x} and {b y}. {x.a} costs {$p} and {y.a} costs {$q}. {he} has {$c}. How much will {he} have left?
> m=a*p | The {x} cost {eq $}.
> n=b*q | The {y} cost {eq $}.
> t=m+n | In all {A} pays {eq $}. | Together that is {eq $}.
> r=c-t | That leaves {eq $}. | {A} has {eq $} left.

= a=S p=S b=S q=S c=S w=S ; x,y,z=sale
{A} bought {a x} for {$p} each, {b y} for {$q} each, and {c z} for {$w} each. How much did {he} spend?
A shop sold {a x} at {$p} each, {b y} at {$q} each and {c z} at {$w} each. How much money did it make?
> m=a*p | The {x} cost {eq $}. | For the {x} it is {eq $}.
> n=b*q | The {y} cost {eq $}. | For the {y} it is {eq $}.
> o=c*w | The {z} cost {eq $}. | For the {z} it is {eq $}.
> t=m+n | The first two make {eq $}.
> r=t+o | In all that is {eq $}. | The total is {eq $}.

= a=S p=S b=S q=S c=S w=S e=M d==a*p+b*q+c*w+e ; x,y,z=sale
{A} had {$d}. {he} bought {a x} for {$p} each, {b y} for {$q} each, and {c z} for {$w} each. How much money is left?
{A} buys {a x} at {$p}, {b y} at {$q} and {c z} at {$w} each. {he} pays with {$d}. How much change does {he} get?
> m=a*p | The {x} cost {eq $}.
> n=b*q | The {y} cost {eq $}.
> o=c*w | The {z} cost {eq $}.
> t=m+n | The first two make {eq $}.
> u=t+o | In all that is {eq $}. | {A} spends {eq $}.
> r=d-u | That leaves {eq $}.

= k=S n=S t==k*n a=<t u=M b==t-a+u ; x=thing box=box
{A} had {a x} and got {b more}. {he} [used|lost|sold] {u} and packed the rest into {box} of {n}. How many {box} did
    {he} fill?
{A} and {B} made {a} and {b x}. {u} were broken. They put the others into {box} with {n} in each. How many {box} did
    they use?
> s=a+b | In all there are {eq x}.
> l=s-u | Without {u} there are {eq x}. | That leaves {eq x}.
> r=l/n | That fills {eq box}. | With {n} in each, that is {eq box}.

= k=S n=S t==k*n a=<t u=M b==t-a+u ; x=thing
{A} had {a x}. {B} gave {him} {b more}. {he} kept {u} and shared the rest equally among {k} friends. How many did each
    friend get?
{a} boys and {b} girls came to play. {u} of them left. The others made {k} equal teams. How many children were on each
    team?
> s=a+b | In all there are {eq}.
> l=s-u | Then {eq} are left.
> r=l/k | Each gets {eq}.

= k=S n=S t==k*n a=1..t-2 b=1..t-a-1 c==t-a-b ; x=thing
{A} has {a x}, {B} has {b}, and {C} has {c}. They share all of them equally among {k} [children|friends]. How many
    does each child get?
{A} [found|made] {a x} on {@day}, {b} on {@day}, and {c} on {@day}. {he} put them into bags of {k}. How many bags are
    there?
> s=a+b | The first two make {eq x}.
> u=s+c | All together that is {eq x}.
> r=u/k | Divided by {k}, that is {eq}.

= n=5..40 a=2..n+4 b=2..n+4 c==3*n-a-b ?c>1
{A} scored {a}, {b} and {c} points in three games. What is {his} average score?
{A} read {a} pages on {@day}, {b} on {@day}, and {c} on {@day}. How many pages is that a day on average over the three
    days?
Three boxes weigh {a}, {b} and {c} pounds. What is the average weight?
> s=a+b | The first two make {eq}.
> t=s+c | All three make {eq}.
> r=t/3 | The average of three is {eq}.

= n=5..40 a=2..2*n-2 b==2*n-a
{A} scored {a} points in one game and {b} in the other. What is the average of the two?
The ages of {A} and {B} are {a} and {b}. What is the average of their two ages?
> s=a+b | The sum is {eq}.
> r=s/2 | The average of two is {eq}.

= a=N b=N c=N ; x=thing
{A} has {a x}. {B} has {b more} than {A}. {C} has {c more} than {B}. How many {x} does {C} have?
> s=a+b | {B} has {eq x}.
> r=s+c | {C} has {eq x}.

= a=F k=K c=N ; x=thing
{A} has {a x}. {B} has {k.times} as many as {A}. {C} has {c more} than {B}. How many {x} does {C} have?
{C} has {c} more {x} than {B}, who has {k.times} as many as {A}. {A} has {a}. How many {x} does {C} have?
> m=a*k | {B} has {eq x}.
> r=m+c | {C} has {eq x}.

= a=F k=K c=N ; x=thing
{A} has {a x}. {B} has {k.times} as many as {A}. {C} has {c more} than {B}. How many {x} do they have [altogether|in
    all]?
{C} has {c} more {x} than {B}, who has {k.times} as many as {A}. If {A} has {a}, how many {x} do all three have?
{A} [made|found|sold] {a x}. {B} got {k.times} as many, and {C} got {c} more than {B}. What is the total number of {x}?
> m=a*k | {B} has {eq x}.
> n=m+c | {C} has {eq x}.
> s=a+m | {A} and {B} together have {eq x}.
> r=s+n | All three have {eq x}.

= a=N b=N c=<a+b ; x=thing
{A} has {a x}. {B} has {b} more than {A}. {C} has {c} fewer than {B}. How many {x} do they have in all?
On {@day} {A} [sold|made|bought] {a x}, on the next day {b} more than that, and on the third day {c} fewer than on the
    second. How many was it in all?
> m=a+b | The second number is {eq}.
> n=m-c | The third number is {eq}.
> s=a+m | The first two make {eq x}.
> r=s+n | All three make {eq x}.

= a=N b=N c=<a+b ; x=thing
{A} has {a x}. {B} has {b} more than {A}. {C} has {c} fewer than {B}. How many {x} does {C} have?
> m=a+b | {B} has {eq x}.
> r=m-c | {C} has {eq x}.

= a=F k=K j=P ; x=thing
{A} has {a x}. {B} has {k.times} as many. {C} has {j.times} as many as {B}. How many {x} does {C} have?
> m=a*k | {B} has {eq x}.
> r=m*j | {C} has {eq x}.

= a=F k=K b=N ; x=thing
{A} has {a x}. {B} has {k.times} as many. They get {b} more. How many {x} do they have together now?
{A} and {B} save together. {A} saved {a x} and {B} saved {k.times} as many. {C} gave them {b}. How many do they have
    now?
> m=a*k | {B} has {eq x}.
> s=a+m | Together that is {eq x}.
> r=s+b | With {b} more it is {eq x}.

= a=F k=K b=<a*k+a ; x=thing
{A} has {a x}. {B} has {k.times} as many. They [gave away|sold|used] {b} of them. How many {x} are left?
> m=a*k | {B} has {eq x}.
> s=a+m | Together that is {eq x}.
> r=s-b | That leaves {eq x}.

= a=S b=<a p=S k=N ; x=sale
{A} had {a x} and kept {b}. {he} sold the rest for {$p} each. {he} already had {$k}. How much money does {he} have now?
{A} had to do {a} jobs but did not do {b} of them. {he} gets {$p} per job and a tip of {$k}. How much does {he} get?
> l=a-b | That leaves {eq} to be paid for.
> m=l*p | For them {A} gets {eq $}.
> r=m+k | With the {k} dollars, that is {eq $}.

= a=S b=S p=S k=<(a+b)*p ; x=sale
{A} sold {a x} on {@day} and {b} on {@day} for {$p} each. {he} spent {$k} on {@buy}. How much money is left?
{A} worked {a hour} on {@day} and {b hour} on {@day}, for {$p} an hour. Then {he} spent {$k}. How much does {he} have
    left?
> s=a+b | In all there are {eq}.
> m=s*p | At {p} dollars each, {A} gets {eq $}.
> r=m-k | That leaves {eq $}.

= a=S b=S c=S p=S ; x=food
{A} packed {a} bags in the morning, {b} at noon and {c} in the evening. Each bag has {p x}. How many {x} were packed?
{A} bought {a} [red|big], {b} [blue|small] and {c} other boxes of {x}. Each box has {p x}. How many {x} are there?
> s=a+b | The first two make {eq}.
> t=s+c | In all there are {eq}.
> r=t*p | With {p} in each, that is {eq x}.

= a=S b=S p=S c=N
A [bike|boat] costs {$a} an hour and a helmet costs {$b} an hour. {A} rents both for {p hour} and also pays a fee of
    {$c}. How much does {he} pay?
Each [ticket|meal] costs {$a} and each drink costs {$b}. {A} buys {p} of both and gives a tip of {$c}. How much does
    {he} spend?
> s=a+b | Both together cost {eq $}.
> m=s*p | For {p} that is {eq $}.
> r=m+c | With the other {c} dollars, it is {eq $}.

= a=S b=S p=S ; x,y=school
Each student gets {a x} and {b y}. There are {p} students. How many things are needed?
{A} makes {p} gift bags. Each has {a x} and {b y}. How many things does {he} need?
> s=a+b | Each one has {eq} things.
> r=s*p | For {p} that is {eq}.

= a=S b=S p=S
{A} {@went} {a} miles in the morning and {b} miles in the evening, every day for {p day}. How many miles was that?
{A} reads {a} pages in the morning and {b} at night. How many pages does {he} read in {p day}?
A [ticket|meal] costs {$a} and a drink costs {$b}. How much do {p} people pay if each gets both?
> s=a+b | Each time it is {eq}.
> r=s*p | For {p} that is {eq}.

= a=S b=S p=S c=<(a+b)*p
{A} reads {a} pages in the morning and {b} at night for {p day}. {B} reads {c} pages in that time. How many more pages
    does {A} read?
> s=a+b | A day has {eq} pages.
> m=s*p | In {p day} that is {eq} pages.
> r=m-c | The difference is {eq page}.

= k=S n=S t==k*n a=S p=S c==a*p+t ?t>1 ; x,y=sale
{A} had {$c}. {he} bought {a x} for {$p} each. With the rest {he} bought {k y}. How much did each {y.one} cost?
> m=a*p | The {x} cost {eq $}.
> l=c-m | That leaves {eq $}.
> r=l/k | Each {y.one} costs {eq $}.

= k=S n=S t==k*n a=S p=S c==a*p+t
{A} needs {$c} for {@goal}. {he} saved {$p} a week for {a week}. Now {he} saves {$n} a week. How many more weeks does
    {he} need?
{A} has to read {c} pages. {he} read {p} pages a day for {a day}. Now {he} reads {n} pages a day. How many more days
    does {he} need?
{A} has to go {c} miles. {he} went {p} miles a day for {a day}. Then {he} goes {n} miles a day. How many more days
    does {he} need?
> m=a*p | The part done is {eq}.
> l=c-m | Left are {eq}.
> r=l/n | At {n} each, that takes {eq}.

= g=S p=S k=S ?g*p%k==0 e=N ; x=thing
{A} has {g} boxes of {p x}. {he} shares them equally among {k} friends. {B} is one of them and had {e x} before. How
    many {x} does {B} have now?
> m=g*p | There are {eq x}.
> n=m/k | Each friend gets {eq x}.
> r=n+e | {B} has {eq x}.

= g=S p=S u=<g*p-2 k=S ?(g*p-u)%k==0 ; x=thing
{A} had {g} boxes of {p x}. {he} used {u} and shared the rest equally among {k} friends. How many {x} did each friend
    get?
There were {g} trays with {p x} each. {u} were [eaten|sold|broken]. The rest were put into {k} equal piles. How many
    are in each pile?
> m=g*p | At first there are {eq x}.
> l=m-u | That leaves {eq x}.
> r=l/k | Each gets {eq x}.

= k=P n=F a==k*n b=N ; x=thing
{A} had {a x}. {he} gave {k.part} of them to {B} and then bought {b more}. How many {x} does {A} have now?
{A} had {a x}. {k.part} of them broke. {he} got {b} new ones. How many does {he} have now?
> m=a/k | {k.part} of {a} is {eq x}.
> l=a-m | That leaves {eq x}.
> r=l+b | With {b} more there are {eq x}.

= k=P n=F a==k*n p=S ; x=sale
{A} had {a x}. {he} gave away {k.part} of them and sold the rest for {$p} each. How much money did {he} make?
> m=a/k | {k.part} of {a} is {eq x}.
> l=a-m | That leaves {eq x}.
> r=l*p | They bring {eq $}.

= k=P n=F a==k*n b=<a-n
{A} had {$a}. {he} spent {k.part} of it on {@goal} and {$b} on {@buy}. How much money is left?
{A's} book has {a} pages. {he} read {k.part} of it on {@day} and {b} pages on {@day}. How many pages are left?
> m=a/k | {k.part} of {a} is {eq}.
> l=a-m | That leaves {eq}.
> r=l-b | Then {eq} are left.

= a=S b=S c=D d=S
{A} works {a hour} a day for {b day} a week. {he} gets {$d} an hour. How much does {he} get in {c week}?
> m=a*b | A week has {eq hour} of work.
> n=m*d | A week pays {eq $}.
> r=n*c | {c week} pay {eq $}.

= a=D b=S c=D e=M
{A} saves {$a} a day for {c week}. Then {he} gets {$e} {@gift}. How much does {he} have?
{A} uses {a} eggs a day. How many eggs does {he} need for {c week} if {he} wants {e} extra eggs?
> d=c*7 | {c week} are {eq day}.
> m=a*d | In that time it is {eq}.
> r=m+e | With {e} more it is {eq}.

= a=S e=<12*a k=S ?(12*a-e)%k==0 ; x=food
{A} baked {a} dozen {x}. {e} were eaten. The rest were shared by {k} [children|friends]. How many did each get?
> m=a*12 | A dozen is 12, so there were {eq x}.
> l=m-e | That leaves {eq x}.
> r=l/k | Each gets {eq x}.

= a=S p=S b=S q=S k=S ?(a*p+b*q)%k==0 ; x=thing
{A} has {a} boxes of {p x} and {b} boxes of {q x}. {he} puts all of them into {k} equal piles. How many are in each
    pile?
{A} bought {a x} for {$p} each and {b} more for {$q} each. {k} friends share the cost equally. How much does each pay?
> m=a*p | First, that is {eq}.
> n=b*q | The second part is {eq}.
> s=m+n | Together it is {eq}.
> r=s/k | Divided by {k} it is {eq}.

= a=S p=S b=S q=S e=<a*p+b*q k=S ?(a*p+b*q-e)%k==0 ; x=thing
{A} has {a} boxes of {p x} and {b} boxes of {q x}. {he} gives away {e x} and puts the rest into bags of {k}. How many
    bags are there?
{A} made {a} trays of {p x} and {b} trays of {q x}. {e} were [sold|lost]. {k} guests share the rest equally. How many
    does
    each get?
> m=a*p | First, there are {eq x}.
> n=b*q | Then there are {eq x}.
> s=m+n | Together there are {eq x}.
> l=s-e | That leaves {eq x}.
> r=l/k | Divided by {k}, it is {eq}.

= a=S p=S b=S q=S e=<a*p+b*q ; x,y=sale
{A} sold {a x} for {$p} each and {b y} for {$q} each. {he} had paid {$e} for all of them. How much profit did {he} make?
> m=a*p | The {x} bring {eq $}.
> n=b*q | The {y} bring {eq $}.
> s=m+n | Together that is {eq $}.
> r=s-e | The profit is {eq $}.

= a=S p=S b=S q=S e=N d=<a*p+b*q+e ; x,y=sale
{A} had {$e}. {he} sold {a x} for {$p} each and {b y} for {$q} each. Then {he} bought {@goal} for {$d}. How much money
    is left?
> m=a*p | The {x} bring {eq $}.
> n=b*q | The {y} bring {eq $}.
> s=m+n | Together that is {eq $}.
> t=e+s | With the first money there are {eq $}.
> r=t-d | That leaves {eq $}.

= a=F k=P j=P c=N ; x=thing
{A} has {a x}. {B} has {k.times} as many as {A}. {C} has {j.times} as many as {B}. {D} has {c} more than {C}. How many
    {x} do they have in all?
> m=a*k | {B} has {eq x}.
> n=m*j | {C} has {eq x}.
> o=n+c | {D} has {eq x}.
> s=a+m | {A} and {B} together have {eq x}.
> t=s+n | With {C}, that is {eq x}.
> r=t+o | All four have {eq x}.

= a=N b=N c=<a+b k=P ; x=thing
{A} has {a x}. {B} has {b} more than {A}. {C} has {c} fewer than {B}. {D} has {k.times} as many as {C}. How many {x}
    do they have altogether?
> m=a+b | {B} has {eq x}.
> n=m-c | {C} has {eq x}.
> o=n*k | {D} has {eq x}.
> s=a+m | {A} and {B} together have {eq x}.
> t=s+n | With {C}, that is {eq x}.
> r=t+o | All four have {eq x}.

= a=F k=P c=N p=S ; x=sale
{A} made {a x}. {B} made {k.times} as many. {C} made {c} more than {B}. They sold all of them for {$p} each. How much
    money did they get?
> m=a*k | {B} made {eq x}.
> n=m+c | {C} made {eq x}.
> s=a+m | {A} and {B} made {eq x}.
> t=s+n | All three made {eq x}.
> r=t*p | At {p} dollars each, they get {eq $}.

= a=F k=P c=N e=<a+a*k+a*k+c ; x=thing
{A} has {a x}. {B} has {k.times} as many. {C} has {c} more than {B}. They put them together and use {e}. How many {x}
    are left?
> m=a*k | {B} has {eq x}.
> n=m+c | {C} has {eq x}.
> s=a+m | {A} and {B} together have {eq x}.
> t=s+n | All three have {eq x}.
> r=t-e | That leaves {eq x}.
"""
