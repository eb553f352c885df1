"""The vocabulary of the arithmetic stories: people, countable things by theme, and small word lists.

Entries are written in the singular, separated by commas; ``one/many`` gives an irregular plural. ``NOUNS`` maps a
theme to its
nouns; a theme made of others is listed in ``UNIONS``. ``WORDS`` maps a list name to plain words or phrases.
"""

from __future__ import annotations


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _listed(text: str) -> tuple[str, ...]:
    return tuple(" ".join(entry.split()) for entry in text.split(","))


MEN = _split("""
Aaron Abdul Adam Adrian Ahmed Aiden Alan Albert Alejandro Alex Ali Amir Andre Andrew Andy Anton Arjun Arthur Austin Ben
Benjamin Bill Bilal Billy Bob Boris Brad Brandon Brian Bruce Bryan Caleb Cameron Carl Carlos Cedric Chad Charles
Charlie Chen
Chris Cody Colin Connor Dan Daniel Darius David Dennis Derek Diego Dmitri Dominic Don Doug Dylan Eddie Edgar Eduardo
Edward
Eli Elias Elijah Emeka Emil Eric Ernest Ethan Evan Farid Felix Fernando Finn Frank Fred Gabriel Gary George Gerald
Gilbert Glen
Gordon Greg Gustavo Hakim Hans Harold Harry Hassan Hector Henry Hiro Hugo Ian Ibrahim Igor Isaac Ivan Jack Jacob Jake
Jamal
James Jared Jason Javier Jay Jeff Jeremy Jerry Jim Jimmy Joe Joel John Johnny Jonathan Jorge Jose Joseph Josh Joshua
Juan
Julian Justin Karim Keith Ken Kenji Kevin Kofi Kyle Larry Leo Leon Leonard Liam Logan Louis Lucas Luis Luke Malik
Manuel Marco
Marcus Mario Mark Martin Marvin Mateo Matt Matthew Max Michael Miguel Mike Mohamed Nate Nathan Ned Neil Nick Nicholas
Noah
Oliver Omar Oscar Owen Pablo Patrick Paul Pedro Peter Philip Rafael Raj Ralph Ramon Randy Ravi Ray Raymond Ricardo
Richard
Rick Robert Rodrigo Roger Ron Ronald Roy Russell Ryan Sam Samuel Samir Scott Sean Sergio Seth Simon Stan Stefan Steve
Steven
Stuart Tariq Ted Terry Theo Thomas Tim Timothy Toby Todd Tom Tommy Tony Travis Trevor Troy Tyler Victor Vikram Vincent
Walter
Warren Wayne Wei Will William Xavier Yusuf Zach Zane
""")

WOMEN = _split("""
Abby Abigail Ada Adele Aisha Alexis Alice Alicia Alina Allison Alma Amanda Amara Amber Amelia Amy Ana Andrea Angela
Anika
Anita Ann Anna Annie April Aria Ashley Audrey Ava Barbara Beatrice Becky Bella Beth Betty Bianca Bonnie Brenda Bridget
Brooke
Camila Carla Carmen Carol Caroline Carrie Cassie Catherine Cecilia Celia Chelsea Chloe Christina Cindy Clara Claire
Connie
Cora Cynthia Daisy Dana Daniela Danielle Debby Deborah Denise Diana Donna Dora Doris Dorothy Edith Elaine Elena Eliza
Elizabeth Ella Ellen Emily Emma Erica Erin Esther Eva Evelyn Faith Farah Fatima Fiona Flora Frances Freya Gabriela Gail
Gemma Gina Gloria Grace Greta Gwen Haley Hannah Harper Hazel Heather Heidi Helen Holly Hope Ida Ines Ingrid Irene Iris
Isabel
Isabella Ivy Jada Jamila Jane Janet Janice Jasmine Jean Jenna Jennifer Jenny Jessica Jill Jo Joan Josie Joy Joyce
Juana Judy
Julia Julie June Kamala Karen Kate Katherine Kathy Katie Kayla Keiko Kelly Kim Kristen Lana Laila Laura Lauren Leah
Leila Lena
Lily Linda Lisa Liz Lola Lori Louise Lucia Lucy Luna Lydia Mae Maggie Mandy Maria Mariana Marie Marilyn Marina Marla
Martha
Mary Maya Megan Mei Melanie Melissa Mia Michelle Mila Millie Mina Miranda Molly Monica Nadia Nancy Naomi Natalie Nia
Nicole
Nina Nora Olga Olivia Paige Pam Pamela Patricia Paula Penny Phoebe Pia Priya Rachel Rebecca Renee Rita Robin Rosa Rose
Ruby
Ruth Sabrina Sadie Sally Samantha Sandra Sandy Sara Sarah Savannah Selena Shannon Sharon Sheila Shirley Sofia Sonia
Sophia
Sophie Stacy Stella Stephanie Sue Susan Suzy Sylvia Tamara Tanya Tara Teresa Tiffany Tina Uma Ursula Valerie Vanessa
Vera
Veronica Victoria Violet Virginia Vivian Wanda Wendy Willow Xena Yara Yasmin Yoko Yolanda Yuki Zahra Zara Zoe
""")

SURNAMES = _split("""
Adams Allen Bell Brown Chen Clark Cruz Davis Diaz Evans Fisher Flores Garcia Green Hall Harris Hill Jackson Johnson
Jones Khan
Kim King Lee Lopez Martin Miller Moore Nguyen Okoye Patel Perez Reed Rivera Roberts Santos Scott Silva Singh Smith
Tanaka Taylor
Torres Turner Walker Ward White Wilson Wong Young
""")

ROLES = _listed("""
farmer, teacher, baker, chef, librarian, shopkeeper, gardener, coach, waiter, painter, tailor, florist,
fisherman, carpenter, doctor, student, mechanic, nurse, artist, student, boy, girl, man, woman, writer,
clown, scientist, camper, principal,
grocer""")

_THEMES = {
    "fruit": """apple, orange, banana, pear, peach, plum, mango, lemon, lime, kiwi, melon, strawberry, blueberry,
cherry, grape,
apricot, fig, coconut, pineapple, grapefruit/grapefruits, watermelon, raspberry, blackberry, tangerine, papaya, date""",
    "vegetable": """carrot, potato, tomato, onion, cucumber, pepper, radish, pumpkin, turnip, cabbage, beet, eggplant,
zucchini,
bean, pea, mushroom, ear of corn, head of lettuce, squash, sweet potato""",
    "dessert": """cookie, cupcake, brownie, muffin, donut, pie, cake, pastry, tart, candy bar, lollipop, chocolate,
biscuit,
pancake, waffle, croissant, scone, gingerbread man/gingerbread men, macaroon, sugar cookie""",
    "snack": """sandwich, cracker, pretzel, candy, gumball, peanut, walnut, almond, egg, hot dog, taco, burger,
slice of pizza,
bag of chips, granola bar, jelly bean, marshmallow, mint, dumpling, sausage, meatball, bagel, roll, chicken nugget,
olive,
piece of candy, piece of gum, chocolate bar, popsicle, chicken wing""",
    "drink": """bottle of water, juice box, can of soda, carton of milk, glass of lemonade, cup of tea, bottle of juice,
cup of coffee, milkshake, smoothie""",
    "toy": """marble, toy car, doll, puzzle, kite, yo-yo, teddy bear, block, toy train, ball, balloon, robot,
toy soldier,
stuffed animal, action figure, board game, video game, game, bouncy ball, whistle, toy boat, toy truck, puppet,
toy dinosaur,
jump rope, rubber duck, spinning top, water balloon, plastic ring""",
    "collect": """stamp, coin, baseball card, football card, trading card, sticker, postcard, shell, seashell,
bottle cap, badge,
pin, comic book, figurine, rock, fossil, gem, magnet, keychain, medal, poster, photo, bead, button, feather, autograph,
soccer card, rare coin, old record, crystal, bracelet, token""",
    "school": """pencil, pen, crayon, eraser, marker, notebook, ruler, folder, paper clip, highlighter, sharpener,
glue stick,
sheet of paper, binder, textbook, worksheet, index card, envelope, pencil case, paintbrush, chalk stick, calculator,
stapler,
colored pencil, sticky note, pair of scissors, card""",
    "book": """book, magazine, novel, newspaper, storybook, dictionary, cookbook, comic, picture book, mystery book,
atlas/atlases""",
    "clothes": """shirt, sock, hat, scarf/scarves, coat, jacket, dress, skirt, sweater, tie, belt, glove, mitten, cap,
T-shirt,
pair of shoes, pair of socks, pair of jeans, towel, blanket, handkerchief, ribbon, bow, apron, vest, necklace, ring""",
    "tool": """nail, screw, bolt, brick, board, plank, tile, hammer, wrench, bucket, brush, rope, wire, light bulb,
battery,
candle, bottle, jar, key, lamp, pipe, hook, ladder, shovel, rake, log, stick, can, washer, hinge""",
    "kitchen": """plate, cup, bowl, spoon, fork, knife/knives, napkin, glass, mug, tray, pot, pan, straw, saucer,
pitcher, teapot""",
    "farm": """cow, sheep/sheep, goat, pig, horse, chicken, duck, hen, goose/geese, turkey, lamb, donkey, rooster,
llama, calf/calves""",
    "pet": """cat, dog, kitten, puppy, rabbit, hamster, goldfish/goldfish, turtle, parrot, guinea pig, bunny, gerbil,
mouse/mice,
lizard, parakeet, fish/fish""",
    "wild": """lion, tiger, monkey, zebra, elephant, giraffe, bear, penguin, deer/deer, fox, wolf/wolves, frog, snake,
squirrel,
owl, bird, pigeon, sparrow, crow, seagull, butterfly, bee, ladybug, ant, snail, crab, dolphin, whale, otter, raccoon,
swan,
pelican, parrot, beetle, spider, dragonfly, flamingo, kangaroo""",
    "flower": """rose, tulip, daisy, lily, sunflower, orchid, daffodil, violet, carnation, poppy, marigold, iris""",
    "tree": """oak tree, maple tree, pine tree, apple tree, palm tree, cherry tree, walnut tree, orange tree, bush,
willow tree,
rose bush, dogwood tree, lemon tree, fir tree""",
    "nature": """leaf/leaves, acorn, pinecone, pebble, seed, flower, stone, twig, mushroom, nut, berry, worm,
starfish/starfish,
chestnut, bulb, snowball""",
    "crew": """student, child/children, boy, girl, player, worker, guest, friend, visitor, soldier, dancer, singer,
camper, adult,
passenger, runner, scout, teacher, classmate, customer, swimmer, fan, tourist, kid, volunteer, man/men, woman/women,
musician""",
    "vehicle": """car, bus, truck, van, bike, boat, train, scooter, taxi, motorcycle, plane, tractor, canoe,
skateboard""",
    "furniture": """chair, table, desk, bench, stool, shelf/shelves, bed, sofa, bookcase, cabinet""",
    "craft": """paper crane, birdhouse, picture frame, quilt, clay pot, paper plane, greeting card, invitation,
drawing, painting,
wreath, pillow, basket, mask, ornament, origami flower, paper flower, lantern, bookmark""",
    "media": """song, picture, video, email, text message, file, movie, app, show, letter, article, poem, story,
phone call""",
    "digital": """song, picture, video, file, movie, photo, game, email, drawing""",
    "sport": """baseball, tennis ball, golf ball, basketball, football, soccer ball, helmet, racket, bat, frisbee,
hockey puck""",
}

UNIONS = {
    "food": ("fruit", "vegetable", "dessert", "snack"),
    "produce": ("fruit", "vegetable"),
    "small": ("toy", "collect", "school", "nature", "fruit", "snack", "dessert"),
    "thing": (
        "toy",
        "collect",
        "school",
        "fruit",
        "dessert",
        "snack",
        "book",
        "clothes",
        "nature",
        "vegetable",
        "flower",
        "craft",
        "sport",
        "tool",
    ),
    "sale": (
        "toy",
        "school",
        "fruit",
        "dessert",
        "snack",
        "book",
        "clothes",
        "flower",
        "kitchen",
        "tool",
        "vegetable",
        "drink",
        "sport",
    ),
    "animal": ("farm", "pet", "wild"),
    "made": ("dessert", "craft", "clothes"),
    "any": (
        "toy",
        "collect",
        "school",
        "fruit",
        "dessert",
        "snack",
        "book",
        "clothes",
        "nature",
        "vegetable",
        "tool",
        "kitchen",
        "flower",
    ),
}

_HOLDERS = {
    "box": """box, bag, basket, jar, crate, bin, bucket, pack, package, container, carton, case, tray, bowl, sack,
drawer, tin, chest""",
    "pack": """pack, box, package, bag, carton, case, packet, bundle, set""",
    "group": """group, row, pile, stack, bunch, line, team, set""",
    "shelf": """shelf/shelves, drawer, rack, table, cabinet, bookcase""",
    "album": """album, folder, binder, page, book""",
    "room": """room, classroom, office, hall, tent, cabin, floor""",
    "ride": """bus, van, car, boat, wagon, train car, minibus, taxi""",
    "site": """park, garden, field, orchard, yard, farm, backyard, forest""",
    "shop": """store, shop, bakery, market, supermarket, toy store, bookstore, gift shop""",
    "job": """lawn/lawns, car, window, fence, room, dog, house, driveway, garage, boat""",
    "time": """minute, hour, day, second, week""",
    "len": """meter, foot/feet, inch, centimeter, yard, mile, kilometer""",
    "mass": """pound, kilogram, ounce, gram, ton""",
    "vol": """liter, gallon, cup, pint, quart, milliliter""",
}

WORDS = {
    "color": "red,blue,green,yellow,white,black,purple,orange,pink,brown,gray,silver,gold",
    "size": "small,large,big,medium,tiny,huge",
    "state": "new,old,used,broken,clean,fancy,plain",
    "day": "Monday,Tuesday,Wednesday,Thursday,Friday,Saturday,Sunday",
    "month": "January,February,March,April,May,June,July,August,September,October,November,December",
    "when": """on Monday,on Tuesday,on Friday,on Saturday,yesterday,this morning,last week,last weekend,in the morning,
in the afternoon,after school,last month,today,over the summer,during the holidays,that evening""",
    "place": """at the park,at home,at school,at the beach,in the kitchen,in the garage,in the yard,on the table,
at the fair,
at the market,in the garden,in the classroom,at the club,in the house,at the camp,at the museum""",
    "outdoor": """in the park,on the playground,in the yard,at the lake,on the farm,in the forest,by the river,
in the field,at the zoo""",
    "event": """a party,a bake sale,a picnic,a wedding,a school fair,a birthday party,a family dinner,a class project,
a club meeting,
a festival,a craft show,a science fair,a yard sale,a food drive,a charity event""",
    "venue": """the museum,the zoo,the theater,the concert,the school play,the aquarium,the fair,the stadium,
the circus,the library,
the swimming pool,the science center""",
    "store": """the store,the shop,the market,the mall,the supermarket,the toy store,the bakery,the corner shop,
the book fair,
the gift shop,a garage sale""",
    "buy": """a book,a toy,a game,a shirt,lunch,a ticket,a snack,a gift,a hat,a magazine,a new pen,a poster,
some candy,a movie ticket,shoes""",
    "goal": """a bike,a game,a new phone,a guitar,a skateboard,a camera,a trip,a tent,a pair of skates,a puzzle,
a jacket,a present""",
    "chore": """washing cars,mowing lawns,walking dogs,babysitting,raking leaves,selling lemonade,cleaning windows,
shoveling snow,
doing chores,delivering newspapers,painting fences,watering plants""",
    "gift": """for {his} birthday,from {his} grandmother,from {his} uncle,from {his} aunt,from a neighbor,as a gift,
from {his} parents""",
    "subject": "math,science,history,spelling,reading,art,music,English,geography",
    "game": """a video game,a board game,a trivia game,a card game,an arcade game,darts,a quiz,a computer game""",
    "sport": """basketball,soccer,football,baseball,hockey,volleyball,dodgeball,kickball,handball,water polo""",
    "team": "the team,the class,the club,the school,the group,the family",
    "ingredient": """cups of flour,cups of sugar,eggs,spoons of butter,ounces of cheese,grams of salt,cups of milk,
spoons of honey""",
    "stuff": "flour,sugar,rice,milk,water,juice,paint,sand,soup,honey,oil",
    "powder": "flour,sugar,rice,salt,sand,cement,coffee,beans,wheat,cheese",
    "liquid": "water,milk,juice,paint,oil,soup,gas,lemonade,syrup",
    "cloth": "ribbon,rope,string,wire,cloth,fabric,yarn,tape,chain",
    "go": "walks,runs,bikes,jogs,swims,skates,hikes",
    "went": "walked,ran,biked,jogged,swam,skated,hiked,rode,rowed",
    "move": "drives,rides,travels,flies,sails,cycles",
    "moved": "drove,rode,traveled,flew,sailed,cycled",
    "act": """reading,practicing piano,drawing,studying,exercising,dancing,painting,playing chess,gardening,singing,
coding""",
    "kin": """brother,sister,mother,father,friend,cousin,uncle,aunt,neighbor,grandmother,best friend,teacher,
classmate,dad,mom""",
}


def plural(one: str) -> str:
    """The plural of an English noun (phrases with ``of`` change before it)."""
    head, of, rest = one.partition(" of ")
    if head.endswith("y") and head[-2] not in "aeiou":
        many = head[:-1] + "ies"
    elif head.endswith(("s", "x", "ch", "sh", "z")) or head in ("potato", "tomato", "sweet potato", "mango"):
        many = head + "es"
    elif head in ("foot", "child", "man", "woman", "person", "shelf", "half", "knife"):
        many = {"foot": "feet", "child": "children", "man": "men", "woman": "women", "person": "people"}.get(
            head, head[:-1] + "ves"
        )
        many = "knives" if head == "knife" else many
    else:
        many = head + "s"
    return many + of + rest


def _nouns(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for entry in text.replace("\n", " ").split(","):
        one, slash, many = entry.strip().partition("/")
        pairs.append((one, many if slash else plural(one)))
    return tuple(pairs)


NOUNS: dict[str, tuple[tuple[str, str], ...]] = {theme: _nouns(text) for theme, text in (_THEMES | _HOLDERS).items()}
for _name, _parts in UNIONS.items():
    NOUNS[_name] = tuple(noun for part in _parts for noun in NOUNS[part])

WORD_LISTS: dict[str, tuple[str, ...]] = {name: _listed(text) for name, text in WORDS.items()}

VERBS = frozenset(
    _split("""
has gives buys sells finds loses eats needs wants makes bakes reads gets takes picks puts collects earns spends saves
pays plants
uses shares starts ends keeps walks runs drives rides travels bikes jogs swims hikes scores plays wins works packs
fills cuts
receives adds removes throws drops breaks donates sends lends borrows writes draws paints builds catches grows carries
brings
splits divides arranges decides plans goes sees cooks drinks owns does is was returns places stores counts trades
practices
completes solves answers types washes mows cleans visits studies gathers discovers misplaces doubles weighs invites
serves hands
deposits withdraws prints uploads deletes stacks hangs ties orders rents mails delivers discards skates flies sails
cycles doubles
""")
)
