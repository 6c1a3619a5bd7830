"""A study with people: a page that asks them about pictures, and the scores of what they answered.

`write_study` writes one HTML file that works without a network, and the key beside it; `score_study` reads
the CSV files that participants saved, and the key. How to run one: docs/study.md.
"""

from fader.train.evaluation.study.page import write_study
from fader.train.evaluation.study.questions import Pair, Picture, Question, Wording, study_questions
from fader.train.evaluation.study.scoring import score_study
from fader.train.evaluation.study.table import StudyTable

__all__ = [
    "Pair",
    "Picture",
    "Question",
    "StudyTable",
    "Wording",
    "score_study",
    "study_questions",
    "write_study",
]
