"""Writes profiles.json.gz from the Python package: pip install langdetect==1.0.9, then run this in its folder."""

import gzip
import json
import os

import langdetect
from langdetect.utils.ngram import NGram

folder = os.path.join(os.path.dirname(langdetect.__file__), "profiles")
profiles = {}
for language in sorted(os.listdir(folder)):
    with open(os.path.join(folder, language), encoding="utf-8") as file:
        profile = json.load(file)
    profiles[language] = {"freq": profile["freq"], "n_words": profile["n_words"]}
text = json.dumps({"profiles": profiles, "kanji": NGram.CJK_CLASS}, ensure_ascii=False, separators=(",", ":"))
with open("profiles.json.gz", "wb") as file:
    file.write(gzip.compress(text.encode("utf-8"), 9, mtime=0))
