"""The material of made-up texts; no real person, employer or place of work."""

from random import Random

__all__ = ["DOCUMENTS", "LOCATIONS", "OCCUPATIONS", "SUBJECTS", "USER_AGENTS", "paragraphs"]

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
)


def paragraphs(rng: Random, count: int, *, most_sentences: int) -> list[str]:
    """Return so many texts of 2 to `most_sentences` sentences each."""
    return ["".join(rng.choices(SENTENCES, k=rng.randint(2, most_sentences))) for _ in range(count)]
