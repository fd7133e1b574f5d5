"""What cannot be described, and what does not describe anything."""

from collections.abc import Sequence

from neuro4d._base import CorruptFileError


class NotDescribableError(ValueError):
    """A network with something that plain data cannot say, such as a function of the user. The message lists all such places.

    **Fields:** `places`: each as `(where, why)`.
    """

    def __init__(self, places: Sequence[tuple[str, str]]):
        self.places = tuple(places)
        lines = "\n".join(f"  {where}: {why}" for where, why in self.places)
        super().__init__(f"this cannot be described as data, at {len(self.places)} place{'s' if len(self.places) > 1 else ''}:\n{lines}")


class DescriptionError(CorruptFileError):
    """Data that describes no network: damaged, of another version, or naming a class that is not imported. The message names the place."""
