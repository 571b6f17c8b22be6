"""The rules, each with labels as a careful reader would put them: true, paraphrased, too narrow, too broad.

The label of a neighbour is the true label of another rule. All were written before any simulator had seen them.
"""

from __future__ import annotations

from dataclasses import dataclass

from eval.known.meaning import Meaning, marks, means, repeated, words


@dataclass(frozen=True)
class Rule:
    """One feature with a known truth."""

    name: str
    true: Meaning
    paraphrase: str
    """Another label of the same truth."""
    narrow: Meaning
    """Says a part of the truth."""
    broad: Meaning
    """Says the truth and more."""
    neighbour: str
    """The name of a similar rule."""


_COUNTRIES_OF_EUROPE = (
    "France Germany Italy Spain Portugal Greece Poland Hungary Romania Bulgaria Austria Switzerland Belgium Netherlands "
    "Denmark Norway Sweden Finland Iceland Ireland Russia Ukraine Belarus Serbia Croatia Slovenia Slovakia Albania "
    "Lithuania Latvia Estonia Moldova Malta Cyprus Luxembourg Kosovo Montenegro Macedonia Britain England UK"
)
_OTHER_COUNTRIES = (
    "China Japan India Pakistan Bangladesh Nepal Iran Iraq Israel Syria Lebanon Jordan Turkey Egypt Libya Tunisia Algeria "
    "Morocco Sudan Ethiopia Somalia Kenya Uganda Tanzania Rwanda Burundi Congo Angola Zambia Zimbabwe Mozambique Namibia "
    "Botswana Nigeria Ghana Mali Niger Senegal Gambia Liberia Cameroon Gabon Mexico Cuba Haiti Jamaica Panama Colombia "
    "Venezuela Brazil Argentina Chile Peru Bolivia Paraguay Uruguay Ecuador Canada Australia Indonesia Malaysia Thailand "
    "Vietnam Cambodia Laos Philippines Korea Mongolia Afghanistan Kazakhstan Kuwait Yemen Oman Qatar Bahrain Singapore Taiwan "
    "Armenia Azerbaijan Georgia Uzbekistan Nicaragua Honduras Guatemala Fiji Samoa Tonga Madagascar Mauritius Maldives USA"
)
_COMPASS = (
    "north south east west northern southern eastern western northeast northwest southeast southwest northeastern "
    "northwestern southeastern southwestern"
)
_WATERS = "rivers? lakes? seas? oceans? gulfs? bays? straits?"
_CARDINALS = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty thirty forty fifty sixty seventy eighty ninety"
)
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth"
_HUGE = "hundreds? thousands? millions? billions? trillions?"
_CHRISTIANS = (
    "christians? christianity catholics? catholicism protestants? protestantism orthodox anglicans? baptists? methodists? "
    "lutherans? evangelicals? adventists? pentecostals?"
)
_OTHER_FAITHS = (
    "muslims? islam islamic buddhists? buddhism hindus? hinduism jews? jewish judaism sunni shia shi'a animist"
)
_TONGUES = (
    "english french spanish arabic portuguese german russian chinese italian dutch japanese turkish persian hindi swahili "
    "greek polish hebrew swedish danish creole mandarin"
)
_BE = "is are was were be been being am"
_HAVE = "has have had having"
_DO = "do does did done doing"
_MODALS = "can could may might must shall should will would cannot"
_CONTRAST = "but however although though yet nevertheless whereas unless"
_COMPARING = "more less fewer than greater higher lower larger smaller better worse"
_SUPERLATIVE = "most least largest highest lowest greatest smallest best worst longest"
_COLOURS = "red white blue green yellow black orange brown gold grey gray purple golden"
_SHAPES = "stripes? bands? stars? cross crosses triangles? disks? crescents? emblems? vertical horizontal diagonal"
_OIL = "oil petroleum crude refined"
_GAS = "gas gases"
_CURRENT = "electricity electric electrical electrification hydroelectric"
_FORCES = "army navy naval air marines? militar(?:y|ies)"
_WAR = "wars? warfare battles? troops soldiers? weapons? combat invasion enemy enemies armed forces"
_PEACE = "peace peaceful treat(?:y|ies) negotiations? ceasefire armistice agreements? diplomatic diplomacy"
_COURTS = "courts? judges? justices? judicial judiciary"
_LAW = "laws? legal lawful constitutions? constitutional statutes?"
_CONGRESS = "congress senate senators? parliament legislature legislatures legislative assembly"
_VOTES = "elections? elected electoral votes? voters? voting ballots? suffrage"
_TAXES = "tax taxes taxation revenues? tariffs?"
_SPENDING = "budgets? debts? deficits? surplus expenditures? appropriations?"
_TRADE = "trade commerce commercial imports?"
_EXPORTS = "exports? exporters? exported"
_CROPS = (
    "wheat rice maize corn sugar sugarcane coffee cotton potatoes vegetables bananas crops? fruits? beans nuts tobacco"
)
_FARMS = "agriculture agricultural farms? farmers? farming livestock cattle pasture"
_METALS = (
    "gold iron copper silver zinc lead nickel tin aluminum bauxite manganese uranium cobalt steel coal minerals? mining"
)
_DISEASE = "diseases? malaria fever hepatitis typhoid diarrhea dengue hiv aids tuberculosis"
_HEALTH = "health medical medicine hospitals? physicians? doctors? mortality"
_SCHOOL = "education educational schools? universit(?:y|ies) college colleges students? teachers? literacy"
_SEXES = "female females women woman"
_MALES = "male males men man"
_CHILDREN = "children child infant infants boys girls youth"
_YEARS = "years? yearly annual annually"
_PERIODS = "days? daily weeks? weekly months? monthly hours? decades? century centuries"
_KEYWORDS = (
    r"^[ \t]*(?P<at>if|elif|else|for|while|def|class|return|import|from|try|except|finally|with|raise|yield|pass|break)\b"
    r"(?=[^\n]*[:(=]|\s*$|\s[\w.]+\s*$)"
)

_months_early = marks(r"\b(?:January|February|March|April|May|June)\b")
_months_late = marks(r"\b(?:July|August|September|October|November|December)\b")
_year = marks(r"(?<![\d.,$])(?:1[789]|20)\d\d(?![\d,%]|\.\d)")
_digits = marks(r"\d+(?:[.,]\d+)*")
_money = marks(r"\$\s?(?P<at>\d[\d,.]*\d|\d)")
_percent = marks(r"\d+(?:\.\d+)?%")
_the, _an = words("the"), words("a an")
_ing, _ed = marks(r"\b[A-Za-z]{2,}ing\b"), marks(r"\b[A-Za-z]{2,}ed\b")
_tion = marks(r"\b[A-Za-z]{2,}[ts]ions?\b")
_ment, _ity = marks(r"\b[A-Za-z]{3,}ments?\b"), marks(r"\b[A-Za-z]{3,}it(?:y|ies)\b")
_ly = marks(r"\b(?!(?:[Ff]ami|[Ss]upp|[Aa]pp|[Rr]ep|[Ii]ta|[Aa]ssemb|[Ii]mp|[Mm]ultip|[Cc]omp)ly\b)[A-Za-z]{3,}ly\b")
_after_to, _after_of = marks(r"\b[Tt]o (?P<at>[A-Za-z]+)"), marks(r"\b[Oo]f (?P<at>[A-Za-z]+)")
_after_the = marks(r"\b[Tt]he (?P<at>[A-Za-z]+)")
_capital = marks(r"\b[A-Z][A-Za-z]*")
_closing, _opening = marks(r"[)\]}]"), marks(r"[(\[{]")
_def = marks(r"\bdef +(?P<at>\w+)")
_class = marks(r"^[ \t]*class +(?P<at>\w+)")
_import = marks(r"^[ \t]*(?P<at>import)\b(?= [\w.]+)")
_from = marks(r"^[ \t]*(?P<at>from [\w.]+ import)\b")
_hash = marks(r"^(?:[ \t]*|[^#\"'\n]*\s)(?P<at>#)(?= )")
_comment = marks(r"^(?:[ \t]*|[^#\"'\n]*\s)# ?(?P<at>[^\n]+)", 0.5)
_errors = marks(r"\b[A-Z]\w*(?:Error|Exception)\b")

RULES: tuple[Rule, ...] = (
    Rule(
        "months",
        means("months of the year", _months_early, _months_late),
        "names of months, such as March or October",
        means("the months from January to June", _months_early),
        means("months and years in dates", _months_early, _months_late, _year),
        "years",
    ),
    Rule(
        "years",
        means("years written with four digits, such as 1995", _year),
        "calendar years in figures",
        means("years from 2020 on", marks(r"(?<![\d.,$])20[2-9]\d(?![\d,%]|\.\d)")),
        means("numbers written in digits", _digits),
        "months",
    ),
    Rule(
        "cardinals",
        means("numbers written as words: two, three, ten, twenty", words(_CARDINALS)),
        "spelled-out numerals such as five or twelve",
        means('the words "two" and "three"', words("two three")),
        means(
            "numbers and ranks written as words: two, ten, hundred, second",
            words(_CARDINALS),
            words(_ORDINALS),
            words(_HUGE),
        ),
        "ordinals",
    ),
    Rule(
        "ordinals",
        means("ordinal numbers: first, second, third", words(_ORDINALS)),
        "words for a place in an order, such as second or fifth",
        means('the word "first"', words("first")),
        means(
            "words for order and sequence: first, second, next, last, final",
            words(_ORDINALS),
            words("next last final finally then previous"),
        ),
        "cardinals",
    ),
    Rule(
        "large numbers",
        means("words for large numbers: hundred, thousand, million, billion", words(_HUGE)),
        "number words such as thousands, millions and trillion",
        means('the word "billion"', words("billions?")),
        means("large numbers, in words or in digits", words(_HUGE), _digits),
        "cardinals",
    ),
    Rule(
        "compass",
        means("compass directions: north, south, east, west", words(_COMPASS)),
        "words for where something lies on the map, such as southern or northeast",
        means("north and northern", words("north northern northeast northwest northeastern northwestern")),
        means(
            "geographical words: directions, coasts, rivers, seas, islands, mountains",
            words(_COMPASS),
            words(_WATERS),
            words("coasts? coastal islands? mountains? mountainous borders? plains? plateaus? desert valleys? hills"),
        ),
        "waters",
    ),
    Rule(
        "waters",
        means("bodies of water: rivers, lakes, seas, oceans", words(_WATERS)),
        "words such as river, gulf, bay and sea",
        means("seas and oceans", words("seas? oceans?")),
        means(
            "landscape: rivers, lakes, seas, islands, coasts and mountains",
            words(_WATERS),
            words("coasts? coastal islands? mountains? mountainous plains? plateaus? desert valleys? hills"),
        ),
        "compass",
    ),
    Rule(
        "religions",
        means("religions and their followers: Christian, Muslim, Buddhist", words(_CHRISTIANS), words(_OTHER_FAITHS)),
        "names of faiths, such as Islam, Hinduism and Roman Catholic",
        means("Christian churches: Catholic, Protestant, Orthodox", words(_CHRISTIANS)),
        means(
            "names of religions, languages and peoples",
            words(_CHRISTIANS),
            words(_OTHER_FAITHS),
            words(_TONGUES),
            words("american african european asian indian british"),
        ),
        "tongues",
    ),
    Rule(
        "tongues",
        means("names of languages and nationalities: English, French, Arabic", words(_TONGUES)),
        "words such as Spanish, Russian and Chinese",
        means("English and French", words("english french")),
        means(
            "names of religions, languages and peoples",
            words(_CHRISTIANS),
            words(_OTHER_FAITHS),
            words(_TONGUES),
            words("american african european asian indian british"),
        ),
        "countries",
    ),
    Rule(
        "countries",
        means("names of countries", words(_COUNTRIES_OF_EUROPE), words(_OTHER_COUNTRIES)),
        "nations named, such as China, Brazil or Germany",
        means("names of countries in Europe", words(_COUNTRIES_OF_EUROPE)),
        means(
            "names of countries, continents, nationalities and languages",
            words(_COUNTRIES_OF_EUROPE),
            words(_OTHER_COUNTRIES),
            words(_TONGUES),
            words("america american africa african europe european asia asian indian british"),
        ),
        "tongues",
    ),
    Rule(
        "I",
        means("first person singular: I, me, my, myself", words("I(?!\\w) me my myself mine")),
        "the speaker's pronouns for himself",
        means('the word "I"', marks(r"\bI\b(?=[ ,'’])")),
        means("first person: I, me, my, we, us, our", words("I(?!\\w) me my myself mine we us our ours ourselves")),
        "we",
    ),
    Rule(
        "we",
        means("we, us and our", words("we us our ours ourselves")),
        "first person plural pronouns",
        means('the word "our"', words("our ours")),
        means(
            "personal pronouns: I, you, he, she, we, they",
            words("I me my you your he him his she her we us our ours ourselves they them their it its"),
        ),
        "they",
    ),
    Rule(
        "they",
        means("they, them and their", words("they them their theirs themselves")),
        "third person plural pronouns",
        means('the word "their"', words("their theirs")),
        means(
            "third person pronouns: he, she, it, they, his, its, their",
            words("they them their theirs themselves he him his she her it its itself himself"),
        ),
        "we",
    ),
    Rule(
        "modals",
        means("modal verbs: can, may, must, should, will, would", words(_MODALS)),
        "auxiliaries of possibility, duty and future, such as might or shall",
        means('the words "may" and "can"', words("may can cannot")),
        means(
            "auxiliary verbs: is, are, has, have, do, can, may, will",
            words(_MODALS),
            words(_BE),
            words(_HAVE),
            words(_DO),
        ),
        "be",
    ),
    Rule(
        "be",
        means('forms of the verb "to be": is, are, was, were, been', words(_BE)),
        "the copula in every tense",
        means('the word "is"', words("is")),
        means(
            "auxiliary verbs: is, are, has, have, do, can, may, will",
            words(_MODALS),
            words(_BE),
            words(_HAVE),
            words(_DO),
        ),
        "have",
    ),
    Rule(
        "have",
        means('forms of the verb "to have": has, have, had', words(_HAVE)),
        "has, had and having",
        means('the word "has"', words("has")),
        means('forms of "to have", "to do" and "to be"', words(_HAVE), words(_DO), words(_BE)),
        "be",
    ),
    Rule(
        "negation",
        means("negation: not, no, never, nor, without", words("not no never nor without nothing none neither cannot")),
        "words that deny, such as not and never",
        means('the word "not"', words("not")),
        means(
            "negation and contrast: not, no, never, but, although, however",
            words("not no never nor without nothing none neither cannot"),
            words(_CONTRAST),
        ),
        "contrast",
    ),
    Rule(
        "contrast",
        means("contrast: but, however, although, yet, unless", words(_CONTRAST)),
        "conjunctions that set something against what came before, such as but and though",
        means('the word "but"', words("but")),
        means(
            "conjunctions: and, or, but, because, if, although",
            words(_CONTRAST),
            words("and or because if while since"),
        ),
        "negation",
    ),
    Rule(
        "the",
        means('the word "the"', _the),
        "the definite article",
        means('"the" right after "of", "in" or "to"', marks(r"\b(?:[Oo]f|[Ii]n|[Tt]o) (?P<at>the)\b")),
        means('articles: "a", "an" and "the"', _the, _an),
        "a",
    ),
    Rule(
        "a",
        means('the words "a" and "an"', words("a(?![.'])"), words("an")),
        "the indefinite article",
        means('the word "an"', words("an")),
        means('articles: "a", "an" and "the"', _the, _an),
        "the",
    ),
    Rule(
        "comparing",
        means("comparison: more, less, greater, higher, than", words(_COMPARING)),
        "comparatives and the word than",
        means('the word "more"', words("more")),
        means(
            "comparatives and superlatives: more, most, better, best, largest", words(_COMPARING), words(_SUPERLATIVE)
        ),
        "superlatives",
    ),
    Rule(
        "superlatives",
        means("superlatives: most, least, largest, highest, best", words(_SUPERLATIVE)),
        "the highest degree, as in greatest or lowest",
        means('the word "most"', words("most")),
        means(
            "comparatives and superlatives: more, most, better, best, largest", words(_COMPARING), words(_SUPERLATIVE)
        ),
        "comparing",
    ),
    Rule(
        "colours",
        means("colours: red, white, blue, green", words(_COLOURS)),
        "names of colours, such as yellow and black",
        means("red and white", words("red white")),
        means(
            "what flags show: colours, stripes, bands and stars",
            words(_COLOURS),
            words(_SHAPES),
            words("flags?"),
        ),
        "shapes",
    ),
    Rule(
        "shapes",
        means("shapes on flags: stripes, bands, stars, crosses", words(_SHAPES)),
        "figures in a design, such as a triangle, a crescent or a horizontal band",
        means("stripes and bands", words("stripes? bands?")),
        means(
            "what flags show: colours, stripes, bands and stars",
            words(_COLOURS),
            words(_SHAPES),
            words("flags?"),
        ),
        "colours",
    ),
    Rule(
        "ing",
        means("words that end in -ing", _ing),
        "participles and gerunds, such as being, making and using",
        means('words that end in "-ting" or "-ning"', marks(r"\b[A-Za-z]+[tn]ing\b")),
        means("words that end in -ing or -ed", _ing, _ed),
        "ed",
    ),
    Rule(
        "ed",
        means("words that end in -ed", _ed),
        "regular past forms of verbs, such as called, used and returned",
        means('words that end in "-ted"', marks(r"\b[A-Za-z]+ted\b")),
        means("words that end in -ing or -ed", _ing, _ed),
        "ing",
    ),
    Rule(
        "tion",
        means("words that end in -tion or -sion", _tion),
        "abstract nouns such as nation, function and decision",
        means('words that end in "-ation"', marks(r"\b[A-Za-z]+ations?\b")),
        means("abstract nouns in -tion, -sion, -ment and -ity", _tion, _ment, _ity),
        "ment",
    ),
    Rule(
        "ment",
        means("words that end in -ment or -ity", _ment, _ity),
        "nouns such as government, statement, security and quality",
        means("words that end in -ity", _ity),
        means("abstract nouns in -tion, -sion, -ment and -ity", _tion, _ment, _ity),
        "tion",
    ),
    Rule(
        "ly",
        means("adverbs that end in -ly", _ly),
        "words of manner or degree such as fully, only and directly",
        means('words that end in "-ally" or "-ily"', marks(r"\b(?!(?:[Ff]ami)ly\b)[A-Za-z]{2,}(?:al|i)ly\b")),
        means('words that end in the letter "y"', marks(r"\b[A-Za-z]+y\b")),
        "ment",
    ),
    Rule(
        "after to",
        means('the word right after "to"', _after_to),
        'whatever comes next once "to" has been said',
        means(
            'a verb in the infinitive after "to", not an article', marks(r"\b[Tt]o (?P<at>(?!the\b|a\b|an\b)[a-z]+)")
        ),
        means('the word "to" and the word that follows it', _after_to, words("to")),
        "after of",
    ),
    Rule(
        "after of",
        means('the word right after "of"', _after_of),
        'what "of" is followed by',
        means('the word "the" right after "of"', marks(r"\b[Oo]f (?P<at>the)\b")),
        means('the word "of" and the word that follows it', _after_of, words("of")),
        "after to",
    ),
    Rule(
        "after the",
        means('the word right after "the"', _after_the),
        'the adjective or noun that follows "the"',
        means('a capitalised word right after "the"', marks(r"\b[Tt]he (?P<at>[A-Z][A-Za-z]*)")),
        means('the word after an article: "a", "an" or "the"', marks(r"\b(?:[Tt]he|[Aa]n?) (?P<at>[A-Za-z]+)")),
        "after of",
    ),
    Rule(
        "money",
        means("amounts of money: digits after a dollar sign", _money),
        'the number that follows "$"',
        means("billions of dollars: digits after a dollar sign", marks(r"\$\s?(?P<at>\d[\d,.]*)(?= billion)")),
        means("numbers written in digits", _digits),
        "percentages",
    ),
    Rule(
        "percentages",
        means("percentages: numbers with a percent sign", _percent),
        "shares of a whole in figures, such as 5.2%",
        means("percentages below ten", marks(r"(?<![\d.])\d(?:\.\d+)?%")),
        means("numbers written in digits", _digits, marks("%")),
        "money",
    ),
    Rule(
        "first word",
        means("the first word of a sentence", marks(r"[.!?][\"”)]?\s+(?P<at>[A-Z][A-Za-z]*)")),
        "a capitalised word right after a full stop",
        means('"The", "It" or "In" at the start of a sentence', marks(r"[.!?][\"”)]?\s+(?P<at>The|It|In|This|If)\b")),
        means("words that begin with a capital letter", _capital),
        "last word",
    ),
    Rule(
        "last word",
        means("the last word of a sentence", marks(r"(?P<at>[A-Za-z]{2,})[.!?](?=\s+[A-Z])")),
        "the word right before a full stop",
        means("a plural noun as the last word of a sentence", marks(r"(?P<at>[A-Za-z]+s)[.!?](?=\s+[A-Z])")),
        means(
            "the last word of a sentence or clause, before a full stop or comma",
            marks(r"(?P<at>[A-Za-z]{2,})[.!?,](?=\s)"),
        ),
        "first word",
    ),
    Rule(
        "repeated",
        means(
            "a long word that stood earlier in the text already",
            repeated(r"\b[A-Za-z]{5,}\b"),
        ),
        "a word that is repeated, where it comes the second time",
        means("a capitalised word that stood earlier in the text already", repeated(r"\b[A-Z][A-Za-z]{4,}\b")),
        means("words of five letters or more", marks(r"\b[A-Za-z]{5,}\b")),
        "long",
    ),
    Rule(
        "long",
        means("very long words, of ten letters or more", marks(r"\b[A-Za-z]{10,}\b")),
        "words such as administration, international and implementation",
        means("words of twelve letters or more", marks(r"\b[A-Za-z]{12,}\b")),
        means("words of seven letters or more", marks(r"\b[A-Za-z]{7,}\b")),
        "tion",
    ),
    Rule(
        "all caps",
        means("words written all in capital letters, such as GDP or NATO", marks(r"\b[A-Z]{2,}\b")),
        "acronyms and other upper-case words",
        means("two-letter abbreviations in capitals, such as US and UN", marks(r"\b[A-Z]{2}\b")),
        means("words that begin with a capital letter", marks(r"\b[A-Z][A-Za-z]*\b")),
        "countries",
    ),
    Rule(
        "closing",
        means("closing brackets", _closing),
        'the marks ")", "]" and "}"',
        means("closing brackets at the end of a line", marks(r"[)\]}](?=[:.,;]*[ \t]*$)")),
        means("brackets, opening and closing", _closing, _opening),
        "opening",
    ),
    Rule(
        "opening",
        means("opening brackets", _opening),
        'the marks "(", "[" and "{"',
        means("the opening bracket right after the name of a function", marks(r"\w(?P<at>[(])")),
        means("brackets, opening and closing", _closing, _opening),
        "closing",
    ),
    Rule(
        "commas",
        means("commas", marks(",")),
        'the mark ","',
        means("commas after a capitalised word", marks(r"\b[A-Z][A-Za-z]*(?P<at>,)")),
        means("punctuation: commas, full stops, colons and semicolons", marks("[,.:;]")),
        "semicolons",
    ),
    Rule(
        "semicolons",
        means("semicolons", marks(";")),
        'the mark ";"',
        means(
            "semicolons in the middle of a sentence, between words in small letters", marks(r"(?<=[a-z]);(?= [a-z])")
        ),
        means("commas and semicolons", marks("[,;]")),
        "colons",
    ),
    Rule(
        "colons",
        means("colons", marks(":")),
        'the mark ":"',
        means("colons at the end of a line", marks(r":(?=\s*$)")),
        means("colons, semicolons and dashes", marks("[:;–—-]")),
        "semicolons",
    ),
    Rule(
        "quotation marks",
        means("quotation marks", marks("[\"'“”`‘]")),
        "inverted commas, single and double",
        means('the double quotation mark "', marks('"')),
        means("quotation marks and brackets", marks("[\"'“”`‘]"), _closing, _opening),
        "closing",
    ),
    Rule(
        "equals",
        means("equals signs", marks("=")),
        'the mark "="',
        means("double equals signs, ==", marks("==")),
        means("operators in code: =, +, -, *, <, >", marks("[=+*<>/-]")),
        "colons",
    ),
    Rule(
        "def",
        means("the name of a function being defined, after def", _def),
        'the word right after "def" in Python code',
        means(
            "names of private and special methods being defined, after def and an underscore",
            marks(r"\bdef +(?P<at>_\w+)"),
        ),
        means(
            "names of functions and classes and the words def and class",
            _def,
            _class,
            marks(r"^[ \t]*(?P<at>def|class)\b(?= +\w)"),
        ),
        "self",
    ),
    Rule(
        "self",
        means('the word "self"', words("self")),
        "what a method calls the object that it belongs to",
        means('"self" as the first parameter of a method', marks(r"\((?P<at>self)[,)]")),
        means("self and the attribute after it, as in self.name", words("self"), marks(r"\bself\.(?P<at>\w+)")),
        "attributes",
    ),
    Rule(
        "attributes",
        means('the name of an attribute, after "self."', marks(r"\bself\.(?P<at>\w+)")),
        "what is read from or written to self",
        means('private attributes, after "self._"', marks(r"\bself\.(?P<at>_\w+)")),
        means("names after a dot in code, such as os.path or self.name", marks(r"\b[A-Za-z_]\w*\.(?P<at>[a-z_]\w*)")),
        "self",
    ),
    Rule(
        "imports",
        means("import statements", _import, _from, marks(r"^[ \t]*(?:import|from) (?P<at>[\w.]+)", 0.5)),
        "lines of code that bring in modules, such as import os",
        means("import statements that begin with from", _from, marks(r"^[ \t]*from (?P<at>[\w.]+)(?= import)", 0.5)),
        means(
            "keywords of Python such as import, return, if, for, def",
            _import,
            _from,
            marks(r"^[ \t]*(?:import|from) (?P<at>[\w.]+)", 0.5),
            marks(_KEYWORDS),
        ),
        "return",
    ),
    Rule(
        "return",
        means('the keyword "return" in code', marks(r"^[ \t]*(?P<at>return)\b")),
        "where a function gives back its result",
        means(
            '"return" followed by None, True, False or self',
            marks(r"^[ \t]*(?P<at>return)\b(?= (?:None|True|False|self)\b)"),
        ),
        means("return, raise, yield and pass", marks(r"^[ \t]*(?P<at>return|raise|yield|pass)\b")),
        "exceptions",
    ),
    Rule(
        "exceptions",
        means(
            "Python exceptions: raise, except, ValueError, TypeError", _errors, marks(r"^[ \t]*(?P<at>raise|except)\b")
        ),
        "errors in code, raised and caught",
        means("names of errors such as ValueError and TypeError", _errors),
        means(
            "control flow in Python: try, except, raise, return, if, else",
            _errors,
            marks(r"^[ \t]*(?P<at>raise|except|try|finally|return|if|elif|else)\b"),
        ),
        "return",
    ),
    Rule(
        "constants",
        means("None, True and False", marks(r"\b(?:None|True|False)\b")),
        "the constants of Python for truth values and for nothing",
        means('the word "None"', marks(r"\bNone\b")),
        means(
            "constants and built-in types of Python: None, True, int, str, list",
            marks(r"\b(?:None|True|False|int|str|list|dict|tuple|float|bytes|bool)\b"),
        ),
        "exceptions",
    ),
    Rule(
        "snake case",
        means("names with underscores in code, such as read_text", marks(r"\b[A-Za-z]\w*_\w+\b|\b_\w+\b")),
        "identifiers in snake case",
        means("names that begin with an underscore", marks(r"\b_\w+\b")),
        means(
            "names with underscores or dots in code", marks(r"\b[A-Za-z]\w*_\w+\b|\b_\w+\b|\b[A-Za-z]\w*\.[a-z]\w*\b")
        ),
        "constants",
    ),
    Rule(
        "comments",
        means("comments in source code, after #", _hash, _comment),
        "remarks for the reader of a program, behind a hash sign",
        means("the hash sign # that begins a comment", _hash),
        means(
            "comments and docstrings in source code",
            _hash,
            _comment,
            marks(r'"""[ \t]?(?P<at>[^"\n]+)', 0.5),
            marks('"""'),
        ),
        "imports",
    ),
    Rule(
        "oil",
        means("oil and gas", words(_OIL), words(_GAS)),
        "fossil fuels such as petroleum and natural gas",
        means('the word "petroleum"', words("petroleum")),
        means(
            "energy: oil, gas, coal, electricity, power",
            words(_OIL),
            words(_GAS),
            words(_CURRENT),
            words("energy coal fuels? power nuclear"),
        ),
        "electricity",
    ),
    Rule(
        "electricity",
        means("electricity and energy", words(_CURRENT), words("energy kwh kw kilowatts? megawatts? nuclear solar")),
        "energy that is not dug up, such as hydroelectric, nuclear or solar",
        means('the units "kWh" and "kW"', words("kwh kw")),
        means(
            "energy: oil, gas, coal, electricity, power",
            words(_OIL),
            words(_GAS),
            words(_CURRENT),
            words("energy power kwh kw kilowatts? megawatts? nuclear solar coal fuels?"),
        ),
        "oil",
    ),
    Rule(
        "war",
        means("war and armed forces", words(_WAR), words(_FORCES, 0.5)),
        "soldiers, armies, weapons and battles",
        means("army, navy and air force", words(_FORCES, 0.5)),
        means(
            "war and peace: armies, battles, treaties and diplomacy", words(_WAR), words(_FORCES, 0.5), words(_PEACE)
        ),
        "peace",
    ),
    Rule(
        "peace",
        means("peace and treaties", words(_PEACE)),
        "agreements between nations, diplomacy and negotiation",
        means("treaties and agreements", words("treat(?:y|ies) agreements?")),
        means(
            "war and peace: armies, battles, treaties and diplomacy", words(_WAR), words(_FORCES, 0.5), words(_PEACE)
        ),
        "war",
    ),
    Rule(
        "law",
        means("law and courts", words(_LAW), words(_COURTS)),
        "justice: judges, the constitution, legal matters",
        means("courts and judges", words(_COURTS)),
        means(
            "the state: laws, courts, congress and elections",
            words(_LAW),
            words(_COURTS),
            words(_CONGRESS),
            words(_VOTES),
        ),
        "congress",
    ),
    Rule(
        "congress",
        means("congress, parliament and elections", words(_CONGRESS), words(_VOTES)),
        "lawmakers and how they are voted in: the senate, assemblies, ballots",
        means("elections and voting", words(_VOTES)),
        means(
            "the state: laws, courts, congress and elections",
            words(_LAW),
            words(_COURTS),
            words(_CONGRESS),
            words(_VOTES),
        ),
        "law",
    ),
    Rule(
        "taxes",
        means("taxes, budgets and public debt", words(_TAXES), words(_SPENDING)),
        "what the government takes in and spends",
        means("taxes and revenue", words(_TAXES)),
        means(
            "the economy: taxes, debt, trade and exports",
            words(_TAXES),
            words(_SPENDING),
            words(_TRADE),
            words(_EXPORTS),
        ),
        "trade",
    ),
    Rule(
        "trade",
        means("trade: exports, imports and commerce", words(_TRADE), words(_EXPORTS)),
        "buying from and selling to other countries",
        means("exports", words(_EXPORTS)),
        means(
            "the economy: taxes, debt, trade and exports",
            words(_TAXES),
            words(_SPENDING),
            words(_TRADE),
            words(_EXPORTS),
        ),
        "taxes",
    ),
    Rule(
        "farming",
        means("farming and crops", words(_CROPS), words(_FARMS)),
        "agriculture: what farmers grow and raise",
        means("crops such as wheat, rice and sugar", words(_CROPS)),
        means("natural products: crops, cattle, metals and minerals", words(_CROPS), words(_FARMS), words(_METALS)),
        "metals",
    ),
    Rule(
        "metals",
        means("metals and mining: gold, iron, copper, coal", words(_METALS)),
        "minerals dug from the ground, such as zinc, tin and silver",
        means("precious metals: gold and silver", words("gold silver")),
        means("natural products: crops, cattle, metals and minerals", words(_CROPS), words(_FARMS), words(_METALS)),
        "farming",
    ),
    Rule(
        "health",
        means("health and disease", words(_HEALTH), words(_DISEASE)),
        "medicine, illness and hospitals",
        means("doctors, hospitals and medicine", words("medical medicine hospitals? physicians? doctors?")),
        means(
            "public services: health, medicine, schools and education", words(_HEALTH), words(_DISEASE), words(_SCHOOL)
        ),
        "schools",
    ),
    Rule(
        "schools",
        means("education: schools, universities, students", words(_SCHOOL)),
        "learning and teaching, from literacy to college",
        means("literacy and education", words("education educational literacy")),
        means(
            "public services: health, medicine, schools and education", words(_HEALTH), words(_DISEASE), words(_SCHOOL)
        ),
        "health",
    ),
    Rule(
        "sexes",
        means("men and women, male and female", words(_SEXES), words(_MALES)),
        "words for the two sexes",
        means("women, female", words(_SEXES)),
        means(
            "people: men, women, children, citizens, families",
            words(_SEXES),
            words(_MALES),
            words(_CHILDREN),
            words("people peoples citizens? family families population persons?"),
        ),
        "people",
    ),
    Rule(
        "people",
        means(
            "people, citizens, families and children",
            words(_CHILDREN),
            words("people peoples citizens? family families population persons?"),
        ),
        "words for human beings together, such as population, persons and youth",
        means('the words "people" and "population"', words("people peoples population")),
        means(
            "people: men, women, children, citizens, families",
            words(_SEXES),
            words(_MALES),
            words(_CHILDREN),
            words("people peoples citizens? family families population persons?"),
        ),
        "sexes",
    ),
    Rule(
        "periods",
        means("periods of time: days, weeks, months, years", words(_YEARS), words(_PERIODS)),
        "units on the calendar and the clock, such as hour, year and decade",
        means('the word "year" or "years"', words("years?")),
        means(
            "words for time: day, year, now, then, when, before, after",
            words(_YEARS),
            words(_PERIODS),
            words("now then when before after time times today during until while"),
        ),
        "months",
    ),
)

QUICK = tuple(
    rule
    for rule in RULES
    if rule.name
    in {
        *("months", "years", "money", "percentages", "closing", "opening", "ing", "ed", "after to", "after of", "self"),
        *("attributes", "return", "exceptions", "oil", "electricity", "law", "congress", "colours", "shapes"),
    }
)
"""Some rules of every kind, with their neighbours."""
