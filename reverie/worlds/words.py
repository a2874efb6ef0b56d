"""The words of the diorama: every phrase that a caption may hold, with the claim that it makes, in English and Chinese.

Captions are put together from these tables (captions.py), and the clause checker reads them back with the same tables (clauses.py): a
phrase that is not here cannot be said, and one that is here can be proved.
"""

from itertools import product

Table = dict[str, tuple[str, ...]]
Pairs = dict[str, tuple[tuple[str, str], ...]]

KINDS: Table = {
    "ball": ("ball", "ball", "sphere"), "cube": ("cube", "cube", "box", "block"), "cylinder": ("cylinder", "cylinder", "drum"), "cone": ("cone",),
    "dog": ("dog", "dog", "dog", "toy dog"), "turtle": ("turtle", "turtle", "tortoise"), "car": ("car", "car", "toy car", "automobile"), "person": ("person", "person", "figure"),
}  # fmt: skip
COLOURS: Table = {
    "red": ("red", "red", "red", "crimson", "scarlet"), "orange": ("orange", "orange", "bright orange"), "yellow": ("yellow", "yellow", "lemon-yellow"),
    "green": ("green", "green", "green", "emerald"), "blue": ("blue", "blue", "blue", "cobalt blue"), "purple": ("purple", "purple", "violet"),
    "white": ("white", "white", "snow-white"), "black": ("black", "black", "jet-black"),
}  # fmt: skip
SIZES: Table = {"small": ("small", "small", "little"), "large": ("large", "large", "big")}
MATERIALS: Table = {"matte": ("matte", "dull"), "shiny": ("shiny", "glossy", "polished"), "striped": ("striped", "striped", "stripy")}
PLACES: Table = {
    "snow": ("in the snow", "in the snow", "on the snow", "on snowy ground", "in a white winter landscape"),
    "grass": ("on the grass", "on the grass", "in a meadow", "on a green lawn"), "desert": ("in the desert", "in the desert", "on the desert sand", "among the dunes"),
    "beach": ("on the beach", "on the beach", "at the seaside", "on a sandy beach"), "street": ("on the street", "in the street", "on the road", "on grey asphalt"),
    "wooden room": ("on a wooden floor", "on a wooden floor", "in a wooden room", "in a room with a wooden floor"),
}  # fmt: skip
SETTINGS: Table = {
    "snow": ("snow", "a snowy field", "winter"), "grass": ("grass", "a meadow", "a green lawn"), "desert": ("desert", "a desert", "sand dunes"),
    "beach": ("beach", "a sandy beach", "the seaside"), "street": ("street", "a street", "a road"), "wooden room": ("wooden floor", "a wooden room", "a room with a wooden floor"),
}  # fmt: skip
TIMES: Table = {
    "day": ("by day", "in daylight", "on a bright day"),
    "sunset": ("at sunset", "at sunset", "at dusk", "in the evening light"),
    "night": ("at night", "at night", "in the dark"),
}
GROUNDS: Table = {
    "snow": ("White snow covers the ground.", "The ground is white with snow."), "grass": ("Green grass covers the ground.", "The ground is a green lawn."),
    "desert": ("The ground is rippled desert sand.", "Yellow desert sand lies all around."), "beach": ("The ground is pale beach sand.", "Pale sand of a beach lies all around."),
    "street": ("The ground is grey asphalt.", "A grey road runs across the picture."), "wooden room": ("The floor is made of brown planks.", "Brown planks make the floor of the room."),
}  # fmt: skip
LIGHTS: Table = {
    "day": ("It is day and the light is bright.", "Bright daylight falls on everything."), "sunset": ("The low evening sun colours everything orange.", "It is evening and the light is warm and orange."),
    "night": ("It is night and the light is dim and blue.", "Only the dim blue light of the night falls on everything."),
}  # fmt: skip
STYLES = ("It looks like a simple animation of toys.", "The style is that of a plain computer animation.", "Everything is made of simple shapes like a toy.")
SHAPES_OF_PICTURE = {"wide": "The picture is wider than it is high.", "tall": "The picture is taller than it is wide.", "square": "The picture is square."}
CAMERAS: Table = {
    "static": ("the camera does not move", "static camera", "a still camera"), "orbit": ("the camera circles around", "the camera orbits", "an orbiting camera"),
    "pan_left": ("the camera pans to the left", "the camera turns left"), "pan_right": ("the camera pans to the right", "the camera turns right"),
    "in": ("the camera moves closer", "the camera moves in", "a camera that comes closer"), "out": ("the camera moves away", "the camera moves back", "a camera that draws back"),
    "up": ("the camera rises", "the camera goes up like a crane"), "down": ("the camera sinks", "the camera comes down like a crane"),
    "follow": ("the camera follows from above", "a drone camera follows"),
}  # fmt: skip
PROPS = {
    "pine": ("a fir tree", "fir trees"), "tree": ("a tree", "trees"), "bush": ("a bush", "bushes"), "rock": ("a rock", "rocks"), "house": ("a house", "houses"),
    "cactus": ("a cactus", "cactuses"), "palm": ("a palm tree", "palm trees"), "lamp post": ("a lamp post", "lamp posts"), "wall": ("a brick wall", "brick walls"),
    "window": ("a window", "windows"), "bookcase": ("a bookcase", "bookcases"), "table": ("a table", "tables"), "plant": ("a potted plant", "potted plants"),
}  # fmt: skip
NUMBERS = {2: "two", 3: "three", 4: "four"}
POSITIONS: Table = {"left": ("on the left",), "middle": ("in the middle",), "right": ("on the right",)}
HIGH = "high above the ground"

VERBS: Pairs = {
    "roll": (("rolls", "rolling"),), "slide": (("slides", "sliding"), ("glides", "gliding")), "walk": (("walks", "walking"), ("walks", "walking"), ("strolls", "strolling")),
    "run": (("runs", "running"),), "crawl": (("crawls", "crawling"), ("creeps", "creeping")), "drive": (("drives", "driving"),), "go": (("moves", "moving"),),
    "reverse": (("moves backwards", "moving backwards"), ("backs up", "backing up")),
}  # fmt: skip
WAYS: Table = {
    "left": ("to the left", "to the left", "left", "leftwards", "from right to left"), "right": ("to the right", "to the right", "right", "rightwards", "from left to right"),
    "toward": ("towards the camera", "towards us"), "away": ("away from the camera", "away from us"),
}  # fmt: skip
DEEDS: Pairs = {
    "fall": (("falls to the ground", "falling to the ground"), ("falls down", "falling down"), ("falls from above", "falling from above"), ("drops down", "dropping down"), ("drops from the sky", "dropping from the sky")),
    "bounce": (("bounces", "bouncing"), ("bounces back up", "bouncing back up"), ("bounces off the ground", "bouncing off the ground")),
    "jump": (("jumps", "jumping"), ("jumps up", "jumping up"), ("jumps into the air", "jumping into the air"), ("leaps up", "leaping up"), ("hops", "hopping")),
    "spin": (("spins", "spinning"), ("spins around", "spinning around"), ("turns in place", "turning in place"), ("rotates on the spot", "rotating on the spot")),
    "stand": (("stands still", "standing still"), ("does not move", "not moving"), ("rests", "resting"), ("stays where it is", "staying where it is")),
    "stop": (("stops", "stopping"), ("comes to a halt", "coming to a halt"), ("comes to rest", "coming to rest")),
    "turn": (("makes a turn", "making a turn"), ("changes direction", "changing direction")),
    "turn_around": (("turns around", "turning around"), ("turns back", "turning back")),
    "leave_left": (("leaves the picture on the left", "leaving the picture on the left"),), "leave_right": (("leaves the picture on the right", "leaving the picture on the right"),),
    "enter_left": (("comes into the picture from the left", "coming into the picture from the left"),),
    "enter_right": (("comes into the picture from the right", "coming into the picture from the right"),),
}  # fmt: skip
RELATIONS: Pairs = {
    "collide": (("bumps into", "bumping into"), ("hits", "hitting"), ("collides with", "colliding with")), "follow": (("follows", "following"),),
    "pass_behind": (("passes behind", "passing behind"), ("goes behind", "going behind")), "hidden": (("is hidden behind", "hidden behind"), ("vanishes behind", "vanishing behind")),
}  # fmt: skip

ZH_KINDS: Table = {
    "ball": ("球", "圆球"), "cube": ("方块", "立方体"), "cylinder": ("圆柱", "圆柱体"), "cone": ("圆锥", "圆锥体"), "dog": ("狗", "狗狗"), "turtle": ("乌龟",), "car": ("汽车", "车"), "person": ("人",),
}  # fmt: skip
ZH_MEASURES = {"dog": "一只", "turtle": "一只", "car": "一辆", "person": "一个"}
ZH_COLOURS: Table = {
    "red": ("红色", "鲜红色"),
    "orange": ("橙色", "橘色"),
    "yellow": ("黄色",),
    "green": ("绿色",),
    "blue": ("蓝色",),
    "purple": ("紫色",),
    "white": ("白色",),
    "black": ("黑色",),
}
ZH_SIZES: Table = {"small": ("小",), "large": ("大",)}
ZH_MATERIALS: Table = {"matte": ("哑光",), "shiny": ("光亮", "闪亮"), "striped": ("条纹",)}
ZH_PLACES: Table = {
    "snow": ("在雪地里", "在雪地上", "在雪中"), "grass": ("在草地上", "在草坪上"), "desert": ("在沙漠里", "在沙漠中"), "beach": ("在海滩上", "在沙滩上"),
    "street": ("在街上", "在马路上"), "wooden room": ("在木地板上", "在木屋里"),
}  # fmt: skip
ZH_SETTINGS: Table = {"snow": ("雪地",), "grass": ("草地",), "desert": ("沙漠",), "beach": ("海滩", "沙滩"), "street": ("街道",), "wooden room": ("木地板",)}
ZH_TIMES: Table = {"day": ("白天",), "sunset": ("日落时", "黄昏时"), "night": ("夜里", "夜晚")}
ZH_LIGHTS: Table = {"day": ("阳光明亮",), "sunset": ("夕阳把一切染成橙色",), "night": ("夜色昏暗",)}
ZH_STYLES = ("画面像简单的玩具动画", "这是简单的三维动画")
ZH_CAMERAS: Table = {
    "static": ("镜头不动",), "orbit": ("镜头环绕",), "pan_left": ("镜头向左摇",), "pan_right": ("镜头向右摇",), "in": ("镜头拉近",), "out": ("镜头拉远",),
    "up": ("镜头升高",), "down": ("镜头下降",), "follow": ("镜头在空中跟随",),
}  # fmt: skip
ZH_PROPS = {
    "pine": "松树", "tree": "大树", "bush": "灌木", "rock": "石头", "house": "房子", "cactus": "仙人掌", "palm": "棕榈树", "lamp post": "路灯", "wall": "砖墙",
    "window": "窗户", "bookcase": "书架", "table": "桌子", "plant": "盆栽",
}  # fmt: skip
ZH_POSITIONS = {"left": "左边", "middle": "中间", "right": "右边"}
ZH_VERBS: Table = {
    "roll": ("滚动", "滚"), "slide": ("滑动", "滑行"), "walk": ("走", "行走"), "run": ("奔跑", "跑"), "crawl": ("爬行", "爬"), "drive": ("行驶", "开"), "go": ("移动",), "reverse": ("倒退", "后退"),
}  # fmt: skip
ZH_WAYS: Table = {"left": ("向左", "往左", "从右向左"), "right": ("向右", "往右", "从左向右"), "toward": ("朝镜头", "向镜头"), "away": ("背离镜头", "朝远处")}
ZH_DEEDS: Table = {
    "fall": ("落下", "从空中掉下来", "掉到地上"), "bounce": ("弹起来", "弹了起来"), "jump": ("跳起来", "向上跳", "跳跃"), "spin": ("原地旋转", "原地转圈"),
    "stand": ("静止不动", "停着不动"), "stop": ("停下来", "停住"), "turn": ("转弯", "改变方向"), "turn_around": ("掉头", "转身回来"), "leave_left": ("从左边离开画面",),
    "leave_right": ("从右边离开画面",), "enter_left": ("从左边进入画面",), "enter_right": ("从右边进入画面",),
}  # fmt: skip
# before and after the other thing
ZH_RELATIONS: Pairs = {
    "collide": (("撞上", ""), ("碰到", "")),
    "follow": (("跟着", ""), ("跟在", "后面")),
    "pass_behind": (("经过", "的后面"),),
    "hidden": (("被", "挡住"), ("被", "遮住")),
}


def english() -> dict[str, tuple[str, str]]:
    """Every English phrase (lower case) with its claim (what, value). A bare verb claims its motion in any direction."""
    phrases: dict[str, tuple[str, str]] = {}
    for what, table in (
        ("kind", KINDS), ("colour", COLOURS), ("size", SIZES), ("material", MATERIALS), ("place", PLACES), ("place", SETTINGS), ("time", TIMES), ("place", GROUNDS),
        ("time", LIGHTS), ("camera", CAMERAS), ("position", POSITIONS),
    ):  # fmt: skip
        phrases |= {form.lower().rstrip("."): (what, key) for key, forms in table.items() for form in forms}
    phrases |= {form.lower().rstrip("."): ("style", "") for form in STYLES} | {form.lower().rstrip("."): ("picture", key) for key, form in SHAPES_OF_PICTURE.items()}
    for kind, (one, many) in PROPS.items():
        phrases |= {one: ("prop", kind), f"another {one.partition(' ')[2]}": ("prop", kind)} | {f"{word} {many}": ("props", f"{kind}:{number}") for number, word in NUMBERS.items()}
    for verb, pairs in VERBS.items():
        phrases |= {form: ("do", f"{verb}_any") for pair in pairs for form in pair}
        phrases |= {f"{form} {way}": ("do", f"{verb}_{name}") for pair, (name, ways) in product(pairs, WAYS.items()) for form in pair for way in ways}
    phrases |= {form: ("do", deed) for deed, pairs in DEEDS.items() for pair in pairs for form in pair}
    phrases |= {form: ("with", relation) for relation, pairs in RELATIONS.items() for pair in pairs for form in pair}
    return phrases | {HIGH: ("high", ""), "then": ("then", ""), "it": ("it", ""), "dressed in": ("wear", ""), "in": ("wear", "")}


def chinese() -> dict[str, tuple[str, str]]:
    """Every Chinese phrase with its claim (what, value)."""
    phrases: dict[str, tuple[str, str]] = {}
    for what, table in (
        ("kind", ZH_KINDS), ("colour", ZH_COLOURS), ("size", ZH_SIZES), ("material", ZH_MATERIALS), ("place", ZH_PLACES), ("place", ZH_SETTINGS), ("time", ZH_TIMES),
        ("time", ZH_LIGHTS), ("camera", ZH_CAMERAS),
    ):  # fmt: skip
        phrases |= {form: (what, key) for key, forms in table.items() for form in forms}
    phrases |= {form.removeprefix("在"): ("place", key) for key, forms in ZH_PLACES.items() for form in forms} | {"雪地中": ("place", "snow")}
    phrases |= {form: ("style", "") for form in ZH_STYLES} | {f"在{form}": ("position", key) for key, form in ZH_POSITIONS.items()}
    phrases |= {form: ("prop", kind) for kind, form in ZH_PROPS.items()} | {
        f"{n}{form}": ("props", f"{kind}:{number}") for kind, form in ZH_PROPS.items() for number, n in ((2, "两个"), (3, "三个"), (4, "四个"))
    }
    for verb, forms in ZH_VERBS.items():
        phrases |= {form: ("do", f"{verb}_any") for form in forms}
        phrases |= {f"{way}{form}": ("do", f"{verb}_{name}") for form, (name, ways) in product(forms, ZH_WAYS.items()) for way in ways}
    phrases |= {form: ("do", deed) for deed, forms in ZH_DEEDS.items() for form in forms}
    phrases |= {before: ("with", relation) for relation, pairs in ZH_RELATIONS.items() for before, _ in pairs}
    return phrases | {"然后": ("then", ""), "它": ("it", "")}


ENGLISH_FILLERS = (
    "a",
    "an",
    "the",
    "and",
    "while",
    "is",
    "are",
    "there",
    "stands",
    "stand",
    "behind it",
    "in the background",
    "also",
    "here",
    "can be seen",
    "we see",
    "that",
    "this scene shows",
    "at the start",
)
CHINESE_FILLERS = ("一个", "一只", "一辆", "的", "穿", "衣服", "有", "后面", "挡住", "遮住", "是", "还有", "旁边", "画面里", "，", "。", "、", "和")
