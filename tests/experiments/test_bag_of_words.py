"""Words and pairs of words are counted in every script, per text, and from train alone."""

from __future__ import annotations

from corpus import splits_of

from classification.experiments.bag_of_words import BagOfWords, read_terms


def test_the_two_texts_of_a_pair_have_terms_of_their_own():
    assert set(read_terms(("good film", "good book"))) == {
        "good", "film", "good film", "2|good", "2|book", "2|good book",
    }  # fmt: skip


def test_scripts_without_spaces_are_split_into_characters():
    assert read_terms(("这部3电影 film",)) == [
        "这", "部", "3", "电", "影", "film", "这 部", "部 3", "3 电", "电 影", "影 film",
    ]  # fmt: skip
    assert read_terms(("ดีมาก",))[:3] == ["ด", "ี", "ม"]
    assert read_terms(("とても",))[:3] == ["と", "て", "も"]
    assert read_terms(("अच्छी थी।",)) == ["अच्छी", "थी", "अच्छी थी"]  # words keep their vowel signs


def test_a_term_of_one_row_is_left_out_unless_that_leaves_none():
    assert BagOfWords(splits_of([{"text": "good film"}, {"text": "good book"}])).terms.tolist() == ["good"]
    assert BagOfWords(splits_of([{"text": "film"}, {"text": "book"}])).terms.tolist() == ["book", "film"]


def test_texts_without_a_word_have_no_terms():
    features = BagOfWords(splits_of([{"text": "..."}, {"text": "?!"}], test=[{"text": "film"}]))
    assert not len(features.terms) and features.counts("test").shape == (1, 0)


def test_terms_come_from_train_alone():
    splits = splits_of([{"text": "good film"}] * 2, test=[{"text": "good good book"}] * 9)
    features = BagOfWords(splits)
    assert features.terms.tolist() == ["film", "good", "good film"]
    assert features.counts("test").toarray().tolist() == [[0, 2, 0]] * 9


def test_the_most_frequent_words_can_exclude_words_of_most_rows():
    rows = [{"text": "the film"}, {"text": "the film"}, {"text": "the book"}, {"text": "the book"}]
    features = BagOfWords(splits_of(rows))

    def words(limit: int, max_share: float) -> list[str]:
        return features.terms[features.frequent_words(limit, max_share)].tolist()

    assert words(9, 1.0) == ["book", "film", "the"] and words(1, 1.0) == ["the"] and words(0, 1.0) == []
    assert words(9, 0.5) == ["book", "film"] and words(9, 0.1) == ["book", "film", "the"]
