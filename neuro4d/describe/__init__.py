"""L6: networks as plain data, and back."""

from neuro4d.describe._description import Description as Description
from neuro4d.describe._description import describe as describe
from neuro4d.describe._errors import DescriptionError as DescriptionError
from neuro4d.describe._errors import NotDescribableError as NotDescribableError
from neuro4d.describe._text import from_text as from_text
from neuro4d.describe._text import to_text as to_text
