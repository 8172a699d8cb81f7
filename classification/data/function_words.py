"""The most frequent small words of common languages: their share of a text tells languages of one script apart.

Their share depends little on the topic, so that two data sets of one language have similar shares.
"""

from __future__ import annotations

from collections import defaultdict

# A paragraph per language, in lower case; a word may belong to several languages.
FUNCTION_WORDS = """
English: the of and to a in is it you that he was for on are with as his they be at this have from or had by but not
what all were we when your can there an which their if do will how about up out them she my me so her would him has
been i its who no just more like some than then did into

German: der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an aus er hat dass
sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur bis mehr durch man
ich du wir ihr mich mir kein wenn was wo da sehr

Dutch: de en van ik te dat die in een hij het niet zijn is was op aan met als voor had er maar om hem dan zou of wat
mijn men dit zo door over ze zich bij ook tot je mij uit der daar haar naar heb hoe heeft hebben geen nog wel zeer wij

French: de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec ou son je
vous mais nous cette comme on lui ses elle leur tout si fait été aux y ces deux très même être j c d l qu n s

Spanish: de la que el en y a los se del las un por con no una su para es al lo como más o pero sus le ha me si sin
sobre este ya entre cuando todo esta ser son dos también fue había era muy hasta desde está mi porque qué sólo yo hay

Portuguese: de a o que e do da em um para é com não uma os no se na por mais as dos como mas ao ele das tem à seu sua
ou ser quando muito nos já está eu também só pelo pela até isso ela entre era depois sem mesmo aos meu minha foi

Italian: di e il la che in a per un è non una sono si con da come le ha del i della nel lo al più anche ma gli dei
alla su mi delle se o questo nella era ho molto ci dal l d cui tutto ne essere lui stato c io

Romanian: de și în a la cu nu o care pe este din că un mai să pentru se au sunt ce al lui ai le prin sau dar fost după
ca fi i am era foarte acest această când

Swedish: och i att det som en på är av för med till den har de inte om ett han men var jag sig från vi så kan när år
under också efter eller nu sin där vid mot ska skulle hade hon mycket du mig

Danish: og i at det en den til er som på de med han af for ikke der var mig sig men et har om vi min havde ham hun nu
over da fra du ud sin dem os op man hans hvor eller hvad skal selv her alle vil blev meget jeg

Norwegian: og i det på som er en til å han av for at var med de ikke den har jeg om et men så seg hun hadde fra vi du
kan da nå etter over bare ut eller hva skal meg opp når bli også mye blir sin

Finnish: ja on ei oli se hän että en ole mutta joka kun niin kuin mitä sen minä jos ovat tai myös siitä vain nyt sitä
olen mukaan jo sekä hänen tämä ne voi niitä olla kanssa

Hungarian: a az és hogy nem is egy ez de meg azt volt már csak van mint el még ha vagy ki le fel mert én te ő kell
nagyon lesz ezt minden aki ami olyan

Polish: w i na z się do nie to że jest o jak po za od a co ale przez dla czy tym był tak już są jego ich tego może
oraz jej było by tylko jako być mnie ja bardzo przy pod ze u

Czech: a v se na je že to s z o i do ve k si jsem ale tak za by jako jeho po pro byl co jsou od nebo který když už
bylo jen aby není tím při jak ze mi má velmi

Turkish: ve bir bu da de için ne çok o ile gibi en daha ama olarak var ben kadar sonra mi olan her ki değil ya sen şey
mı beni bana diye yok nasıl hiç

Indonesian: yang dan di ini itu dengan untuk tidak dari dalam akan pada juga saya ke karena ada kami kita mereka
adalah bisa sudah atau oleh seperti dia hanya lebih telah saat anda aku kamu sangat

Vietnamese: là và của có không cho được một trong những với này các người để đã khi đến về như từ tôi anh ở ra nhưng
rất làm cũng bạn nó vào còn lại thì mà

Russian: и в не на я что он с как а то это по но они к у она мы за от из о же все ты так бы вы для его было меня был
если есть быть когда уже или мне до только очень

Ukrainian: і в не на я що він з як а то це по але вони до у вона ми за від із про же всі ти так би ви для його було
мене був якщо є бути коли вже або мені та й тільки дуже

Bulgarian: и на да се в не за с от е са това по ще като но че до си той тя аз ми те я при го ги само ли след още беше
има който много или най

Serbian: и је у да се на са за не од су као то што о али или који га ће из био би па до ја ми ти он она само све врло
сам ово

Arabic: في من على أن إلى عن لا ما هذا هذه التي الذي مع كان أو هو هي لم كل بعد قد إن بين لكن ذلك أي عند حتى أنا غير كما
يا ثم

Persian: و در به از که این را با است برای آن یک خود تا می ها هم بر بود ما هر شد اما نیز من او یا شده دارد پس اگر نه
آنها خیلی

Urdu: کے کی میں ہے اور سے کا کو ہیں نے یہ پر کہ اس بھی نہیں ایک وہ تھا ہو تو جو کر کیا گیا تھے ان لیے ہی تھی ہم میری
بہت

Hindi: के में है की और को से का यह पर हैं एक ने कि भी नहीं इस लिए तो वह जो था कर हो गया या थे साथ हम मैं बहुत ही अपने

Marathi: आणि आहे या मध्ये हे ते तो ती एक आहेत त्या होते होता नाही तर की व मी आम्ही पण हा ही च्या साठी केले
"""


def languages_by_word() -> dict[str, tuple[str, ...]]:
    """Word -> the languages that have it as a function word.

    >>> languages_by_word()["und"]
    ('German',)
    """
    languages: defaultdict[str, list[str]] = defaultdict(list)
    for paragraph in FUNCTION_WORDS.split("\n\n"):
        language, words = paragraph.split(":")
        for word in words.split():
            languages[word].append(language.strip())
    return {word: tuple(names) for word, names in languages.items()}
