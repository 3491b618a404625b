"""The material of made-up texts; no real person, employer or place of work."""

from collections.abc import Iterator
from random import Random

__all__ = ["DOCUMENTS", "LOCATIONS", "OCCUPATIONS", "SUBJECTS", "USER_AGENTS", "letters"]

OCCUPATIONS = (
    "一般事務",
    "経理事務",
    "介護職員",
    "看護助手",
    "保育補助",
    "調理補助",
    "倉庫内作業",
    "ルート配送",
    "電気設備の保守",
    "プログラマー",
    "製造オペレーター",
    "受付",
)
LOCATIONS = ("北の丘市", "みなと区", "川沿い町", "桜台市", "東の浜市", "山手区", "中央町", "南野村")
SUBJECTS = (
    "応募書類の受付について",
    "面接日程のご連絡",
    "求人内容の変更のお知らせ",
    "職業相談のご案内",
    "選考結果のご連絡",
    "説明会のご案内",
    "ご質問への回答",
)
DOCUMENTS = ("履歴書", "職務経歴書", "資格証明書", "志望動機書")
USER_AGENTS = ("Mozilla/5.0 (Windows NT 10.0)", "Mozilla/5.0 (iPhone)", "Mozilla/5.0 (Android 15)")
SENTENCES = (
    "お世話になっております。",
    "先日はお忙しいところお時間をいただき、ありがとうございました。",
    "ご応募いただいた求人について、次のとおりご連絡いたします。",
    "面接は来週の水曜日、午後二時から行う予定です。",
    "当日は履歴書と筆記用具をお持ちください。",
    "勤務時間は午前九時から午後五時半まで、休憩は六十分です。",
    "ご都合がつかない場合は、前日までにお知らせください。",
    "経験のない方にも、先輩が一から丁寧にお教えします。",
    "交通費は実費を支給し、車での通勤もできます。",
    "ご不明な点がありましたら、遠慮なくお問い合わせください。",
    "窓口でのご相談も承っております。",
    "どうぞよろしくお願いいたします。",
    "{place}での{occupation}の仕事を希望しております。",
    "{occupation}として三年ほど働いた経験があります。",
    "{place}の事業所では、{occupation}を若干名募集しています。",
    "説明会は{place}の会場で、月に二回開いています。",
    "選考の結果は、一週間以内にこの画面でお知らせします。",
    "土曜日と日曜日は休みで、残業はほとんどありません。",
    "書類が届きましたら、担当の者が確認のうえご連絡します。",
    "資格の取得にかかる費用は、会社が一部を負担します。",
)
LONGEST_SENTENCE = 40


def letters(rng: Random, count: int, *, characters: tuple[int, int]) -> list[str]:
    """Return so many texts of at least and at most so many characters; short ones are the more frequent."""
    least, most = characters
    room = most - LONGEST_SENTENCE - least
    return ["".join(_sentences(rng, least + room * rng.random() ** 2)) for _ in range(count)]


def _sentences(rng: Random, characters: float) -> Iterator[str]:
    while characters > 0:
        sentence = rng.choice(SENTENCES).format(place=rng.choice(LOCATIONS), occupation=rng.choice(OCCUPATIONS))
        characters -= len(sentence)
        yield sentence
