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
    "cat": ("cat", "cat", "toy cat"), "bird": ("bird",), "butterfly": ("butterfly",), "boat": ("boat", "sailing boat"), "monster": ("monster", "monster", "monster with big eyes"),
    "burger": ("burger", "hamburger"), "candle": ("candle",), "cup": ("cup", "cup", "mug"), "table": ("table",), "tree": ("tree",), "flower": ("flower",), "lamp": ("lamp", "floor lamp"),
    "tower": ("tower", "tower of blocks"), "domino row": ("domino row", "row of dominoes"), "pendulum": ("pendulum",), "gear": ("gear", "gear wheel"), "seesaw": ("seesaw",),
    "paintbrush": ("paintbrush", "brush"),
}  # fmt: skip
COLOURS: Table = {
    "red": ("red", "red", "red", "crimson", "scarlet"), "orange": ("orange", "orange", "bright orange"), "yellow": ("yellow", "yellow", "lemon-yellow"),
    "green": ("green", "green", "green", "emerald"), "blue": ("blue", "blue", "blue", "cobalt blue"), "purple": ("purple", "purple", "violet"),
    "white": ("white", "white", "snow-white"), "black": ("black", "black", "jet-black"),
}  # fmt: skip
SIZES: Table = {"small": ("small", "small", "little"), "large": ("large", "large", "big")}
MATERIALS: Table = {"matte": ("matte", "dull"), "shiny": ("shiny", "glossy", "polished"), "striped": ("striped", "striped", "stripy"), "glass": ("glass", "glass", "see-through")}
PLACES: Table = {
    "snow": ("in the snow", "in the snow", "on the snow", "on snowy ground", "in a white winter landscape"),
    "grass": ("on the grass", "on the grass", "in a meadow", "on a green lawn"), "desert": ("in the desert", "in the desert", "on the desert sand", "among the dunes"),
    "beach": ("on the beach", "on the beach", "at the seaside", "on a sandy beach"), "street": ("on the street", "in the street", "on the road", "on grey asphalt"),
    "wooden room": ("on a wooden floor", "on a wooden floor", "in a wooden room", "in a room with a wooden floor"),
    "mountain road": ("on a mountain road", "on a road in the mountains"), "night city": ("in a city at night", "in the night city", "in front of lit city windows"),
    "garden": ("in a garden", "in the garden", "in a flower garden"), "sea": ("on the sea", "on the sea", "on the open water"), "ravine": ("in a ravine", "in a canyon", "between high rock walls"),
}  # fmt: skip
SETTINGS: Table = {
    "snow": ("snow", "a snowy field", "winter"), "grass": ("grass", "a meadow", "a green lawn"), "desert": ("desert", "a desert", "sand dunes"),
    "beach": ("beach", "a sandy beach", "the seaside"), "street": ("street", "a street", "a road"), "wooden room": ("wooden floor", "a wooden room", "a room with a wooden floor"),
    "mountain road": ("a mountain road", "a road in the mountains"), "night city": ("a city at night", "night city"), "garden": ("garden", "a garden"), "sea": ("sea", "the open sea"),
    "ravine": ("ravine", "a ravine", "a canyon"),
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
    "mountain road": ("A road runs through the mountains.", "Mountains with white tops rise behind the road."), "night city": ("Tall houses with lit windows stand behind the street.",),
    "garden": ("Flowers grow along a white fence.", "The ground is a lawn with a white fence and flowers."), "sea": ("Blue water reaches to the horizon.",), "ravine": ("High walls of rock rise on both sides.",),
}  # fmt: skip
LIGHTS: Table = {
    "day": ("It is day and the light is bright.", "Bright daylight falls on everything."), "sunset": ("The low evening sun colours everything orange.", "It is evening and the light is warm and orange."),
    "night": ("It is night and the light is dim and blue.", "Only the dim blue light of the night falls on everything."),
}  # fmt: skip
STYLES = ("It looks like a simple animation of toys.", "The style is that of a plain computer animation.", "Everything is made of simple shapes like a toy.")
WIDE_STYLES: Table = {
    "cartoon": ("a flat cartoon with outlines", "drawn as a flat cartoon"), "pixel art": ("pixel art", "in pixel art style"), "pencil sketch": ("a pencil sketch", "drawn with a pencil"),
    "black-and-white film": ("a black-and-white film", "filmed in black and white"),
}  # fmt: skip
COLOURLESS = ("pencil sketch", "black-and-white film")  # styles in which no colour can be told
TINTED = ("green", "yellow", "white", "grey", "brown", "orange", "blue", "dim", "pale")  # no phrase with these words is said of them, nor are the lights
MANNERS: Table = {"happy": ("happy", "cheerful"), "tired": ("tired", "weary"), "frightened": ("frightened", "scared")}
WEATHERS: Table = {"fog": ("in fog", "in thick mist"), "snowfall": ("in falling snow", "while snow falls"), "rain": ("in the rain", "while it rains")}
SHOTS: Table = {
    "wide": ("a wide shot", "a long shot"), "close": ("a close-up", "a close shot"), "reverse": ("a reverse shot", "a shot from the other side"),
    "place": ("another place", "a different place"),
}  # fmt: skip
CUT = "cut to"
LIGHT_CHANGES: Table = {"dims": ("the light grows dim", "it gets darker"), "brightens": ("the light grows bright", "it gets brighter")}
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
    "reverse": (("moves backwards", "moving backwards"), ("backs up", "backing up")), "fly": (("flies", "flying"), ("flutters", "fluttering")), "sail": (("sails", "sailing"), ("floats", "floating")),
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
    "shatter": (("shatters", "shattering"), ("breaks into many pieces", "breaking into many pieces")), "topple": (("topples over", "toppling over"), ("collapses", "collapsing")),
    "chain": (("falls over piece by piece", "falling over piece by piece"),), "swing": (("swings", "swinging"), ("swings back and forth", "swinging back and forth")),
    "rotate": (("keeps turning", "turning all the time"),), "tilt": (("tilts to the other side", "tilting to the other side"),), "track": (("leaves a track in the snow", "leaving a track in the snow"),),
    "dust": (("kicks up dust", "kicking up dust"), ("raises dust", "raising dust")), "paint": (("paints strokes on a canvas", "painting strokes on a canvas"),),
    "eaten": (("is eaten bite by bite", "eaten bite by bite"), ("gets smaller bite by bite", "getting smaller bite by bite")), "melt": (("melts", "melting"), ("burns down", "burning down")),
    "tip": (("tips over", "tipping over"),), "spill": (("spills its grains", "spilling its grains"), ("spills grains on the ground", "spilling grains on the ground")),
    "light_up": (("lights up", "lighting up"), ("begins to shine", "beginning to shine")),
}  # fmt: skip
RELATIONS: Pairs = {
    "collide": (("bumps into", "bumping into"), ("hits", "hitting"), ("collides with", "colliding with")), "follow": (("follows", "following"),),
    "pass_behind": (("passes behind", "passing behind"), ("goes behind", "going behind")), "hidden": (("is hidden behind", "hidden behind"), ("vanishes behind", "vanishing behind")),
    "bite": (("takes bites of", "taking bites of"), ("eats", "eating")), "switch": (("switches on", "switching on"),), "mesh": (("meshes with", "meshing with"),),
    "depart": (("goes away from", "going away from"),), "arrive": (("goes up to", "going up to"), ("reaches", "reaching")), "on": (("lies on", "lying on"),),
    "left_first": (("is at first left of", "at first left of"),), "right_first": (("is at first right of", "at first right of"),),
    "behind_first": (("is at first behind", "at first behind"),), "before_first": (("is at first in front of", "at first in front of"),),
    "left_last": (("is in the end left of", "in the end left of"),), "right_last": (("is in the end right of", "in the end right of"),),
    "behind_last": (("is in the end behind", "in the end behind"),), "before_last": (("is in the end in front of", "in the end in front of"),),
}  # fmt: skip

ZH_KINDS: Table = {
    "ball": ("球", "圆球"), "cube": ("方块", "立方体"), "cylinder": ("圆柱", "圆柱体"), "cone": ("圆锥", "圆锥体"), "dog": ("狗", "狗狗"), "turtle": ("乌龟",), "car": ("汽车", "车"), "person": ("人",),
    "cat": ("猫", "猫咪"), "bird": ("鸟",), "butterfly": ("蝴蝶",), "boat": ("船", "帆船"), "monster": ("怪物", "大眼睛怪物"), "burger": ("汉堡",), "candle": ("蜡烛",), "cup": ("杯子",),
    "table": ("方桌",), "tree": ("小树",), "flower": ("花",), "lamp": ("落地灯",), "tower": ("积木塔",), "domino row": ("多米诺骨牌",), "pendulum": ("钟摆",), "gear": ("齿轮",), "seesaw": ("跷跷板",),
    "paintbrush": ("画笔",),
}  # fmt: skip
ZH_MEASURES = {
    "dog": "一只", "turtle": "一只", "car": "一辆", "person": "一个", "cat": "一只", "bird": "一只", "butterfly": "一只", "boat": "一艘", "candle": "一支", "table": "一张", "tree": "一棵",
    "flower": "一朵", "lamp": "一盏", "paintbrush": "一支",
}  # fmt: skip
ZH_COLOURS: Table = {
    "red": ("红色", "鲜红色"), "orange": ("橙色", "橘色"), "yellow": ("黄色",), "green": ("绿色",), "blue": ("蓝色",), "purple": ("紫色",), "white": ("白色",), "black": ("黑色",),
}  # fmt: skip
ZH_SIZES: Table = {"small": ("小",), "large": ("大",)}
ZH_MATERIALS: Table = {"matte": ("哑光",), "shiny": ("光亮", "闪亮"), "striped": ("条纹",), "glass": ("玻璃",)}
ZH_PLACES: Table = {
    "snow": ("在雪地里", "在雪地上", "在雪中"), "grass": ("在草地上", "在草坪上"), "desert": ("在沙漠里", "在沙漠中"), "beach": ("在海滩上", "在沙滩上"),
    "street": ("在街上", "在马路上"), "wooden room": ("在木地板上", "在木屋里"),
    "mountain road": ("在山路上",), "night city": ("在城市夜景里", "在夜晚的城市里"), "garden": ("在花园里",), "sea": ("在海面上", "在大海上"), "ravine": ("在峡谷里", "在山谷里"),
}  # fmt: skip
ZH_SETTINGS: Table = {
    "snow": ("雪地",), "grass": ("草地",), "desert": ("沙漠",), "beach": ("海滩", "沙滩"), "street": ("街道",), "wooden room": ("木地板",), "mountain road": ("山路",), "night city": ("城市夜景",),
    "garden": ("花园",), "sea": ("大海",), "ravine": ("峡谷",),
}  # fmt: skip
ZH_TIMES: Table = {"day": ("白天",), "sunset": ("日落时", "黄昏时"), "night": ("夜里", "夜晚")}
ZH_LIGHTS: Table = {"day": ("阳光明亮",), "sunset": ("夕阳把一切染成橙色",), "night": ("夜色昏暗",)}
ZH_STYLES = ("画面像简单的玩具动画", "这是简单的三维动画")
ZH_WIDE_STYLES: Table = {"cartoon": ("平面卡通画风",), "pixel art": ("像素画风",), "pencil sketch": ("铅笔素描",), "black-and-white film": ("黑白电影",)}
ZH_MANNERS: Table = {"happy": ("开心", "高兴"), "tired": ("疲惫",), "frightened": ("害怕", "受惊")}
ZH_WEATHERS: Table = {"fog": ("大雾中",), "snowfall": ("下着雪",), "rain": ("下着雨", "雨中")}
ZH_SHOTS: Table = {"wide": ("全景",), "close": ("特写",), "reverse": ("反打镜头",), "place": ("另一个地方",)}
ZH_CUT = "切到"
ZH_LIGHT_CHANGES: Table = {"dims": ("光线变暗",), "brightens": ("光线变亮",)}
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
    "roll": ("滚动", "滚"), "slide": ("滑动", "滑行"), "walk": ("走", "行走"), "run": ("奔跑", "跑"), "crawl": ("爬行", "爬"), "drive": ("行驶", "开"), "go": ("移动",), "reverse": ("倒退", "后退"), "fly": ("飞", "飞行"), "sail": ("航行", "漂行"),
}  # fmt: skip
ZH_WAYS: Table = {"left": ("向左", "往左", "从右向左"), "right": ("向右", "往右", "从左向右"), "toward": ("朝镜头", "向镜头"), "away": ("背离镜头", "朝远处")}
ZH_DEEDS: Table = {
    "fall": ("落下", "从空中掉下来", "掉到地上"), "bounce": ("弹起来", "弹了起来"), "jump": ("跳起来", "向上跳", "跳跃"), "spin": ("原地旋转", "原地转圈"),
    "stand": ("静止不动", "停着不动"), "stop": ("停下来", "停住"), "turn": ("转弯", "改变方向"), "turn_around": ("掉头", "转身回来"), "leave_left": ("从左边离开画面",),
    "leave_right": ("从右边离开画面",), "enter_left": ("从左边进入画面",), "enter_right": ("从右边进入画面",),
    "shatter": ("碎成很多块", "摔碎"), "topple": ("倒塌", "塌下来"), "chain": ("一块接一块倒下",), "swing": ("来回摆动",), "rotate": ("不停转动",), "tilt": ("翘向另一边",),
    "track": ("在雪上留下痕迹",), "dust": ("扬起灰尘",), "paint": ("在画布上涂抹",), "eaten": ("被一口一口吃掉",), "melt": ("慢慢融化", "越烧越短"), "tip": ("翻倒",), "spill": ("洒出颗粒",), "light_up": ("亮起来",),
}  # fmt: skip
# before and after the other thing
ZH_RELATIONS: Pairs = {
    "collide": (("撞上", ""), ("碰到", "")),
    "follow": (("跟着", ""), ("跟在", "后面")),
    "pass_behind": (("经过", "的后面"),),
    "hidden": (("被", "挡住"), ("被", "遮住")),
    "bite": (("咬", ""), ("吃", "")), "switch": (("打开", ""),), "mesh": (("带动", ""),), "depart": (("离开", ""),), "arrive": (("来到", "旁边"),), "on": (("放在", ""),),
    "left_first": (("起初右边是", ""),), "right_first": (("起初左边是", ""),), "behind_first": (("起初前面是", ""),), "before_first": (("起初后面是", ""),),
    "left_last": (("最后右边是", ""),), "right_last": (("最后左边是", ""),), "behind_last": (("最后前面是", ""),), "before_last": (("最后后面是", ""),),
}  # fmt: skip


def english() -> dict[str, tuple[str, str]]:
    """Every English phrase (lower case) with its claim (what, value). A bare verb claims its motion in any direction."""
    phrases: dict[str, tuple[str, str]] = {}
    for what, table in (
        ("kind", KINDS), ("colour", COLOURS), ("size", SIZES), ("material", MATERIALS), ("place", PLACES), ("place", SETTINGS), ("time", TIMES), ("place", GROUNDS),
        ("time", LIGHTS), ("camera", CAMERAS), ("position", POSITIONS), ("style", WIDE_STYLES), ("manner", MANNERS), ("weather", WEATHERS), ("shot", SHOTS), ("light", LIGHT_CHANGES),
    ):  # fmt: skip
        phrases |= {form.lower().rstrip("."): (what, key) for key, forms in table.items() for form in forms}
    phrases |= {form.lower().rstrip("."): ("style", "natural") for form in STYLES} | {form.lower().rstrip("."): ("picture", key) for key, form in SHAPES_OF_PICTURE.items()}
    for kind, (one, many) in PROPS.items():
        phrases |= {one: ("prop", kind), f"another {one.partition(' ')[2]}": ("prop", kind)} | {f"{word} {many}": ("props", f"{kind}:{number}") for number, word in NUMBERS.items()}
    for verb, pairs in VERBS.items():
        phrases |= {form: ("do", f"{verb}_any") for pair in pairs for form in pair}
        phrases |= {f"{form} {way}": ("do", f"{verb}_{name}") for pair, (name, ways) in product(pairs, WAYS.items()) for form in pair for way in ways}
    phrases |= {form: ("do", deed) for deed, pairs in DEEDS.items() for pair in pairs for form in pair}
    phrases |= {form: ("with", relation) for relation, pairs in RELATIONS.items() for pair in pairs for form in pair}
    return phrases | {HIGH: ("high", ""), "then": ("then", ""), "it": ("it", ""), "dressed in": ("wear", ""), "in": ("wear", ""), "on a": ("wear", "")}


def chinese() -> dict[str, tuple[str, str]]:
    """Every Chinese phrase with its claim (what, value)."""
    phrases: dict[str, tuple[str, str]] = {}
    for what, table in (
        ("kind", ZH_KINDS), ("colour", ZH_COLOURS), ("size", ZH_SIZES), ("material", ZH_MATERIALS), ("place", ZH_PLACES), ("place", ZH_SETTINGS), ("time", ZH_TIMES),
        ("time", ZH_LIGHTS), ("camera", ZH_CAMERAS), ("style", ZH_WIDE_STYLES), ("manner", ZH_MANNERS), ("weather", ZH_WEATHERS), ("shot", ZH_SHOTS), ("light", ZH_LIGHT_CHANGES),
    ):  # fmt: skip
        phrases |= {form: (what, key) for key, forms in table.items() for form in forms}
    phrases |= {form.removeprefix("在"): ("place", key) for key, forms in ZH_PLACES.items() for form in forms} | {"雪地中": ("place", "snow")}
    phrases |= {form: ("style", "natural") for form in ZH_STYLES} | {f"在{form}": ("position", key) for key, form in ZH_POSITIONS.items()}
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
    "a", "an", "the", "and", "while", "is", "are", "there", "stands", "stand", "behind it", "in the background", "also", "here", "can be seen", "we see", "plate",
    "it looks like", "the picture is", "it all happens", "that", "this scene shows", "at the start",
)  # fmt: skip
CHINESE_FILLERS = (
    "一个", "一只", "一辆", "一艘", "一支", "一张", "一棵", "一朵", "一盏", "盘子上", "这是", "：", "；", "的", "穿", "衣服", "有", "后面", "挡住", "遮住", "是", "还有", "旁边", "画面里", "，", "。", "、", "和",
)  # fmt: skip
