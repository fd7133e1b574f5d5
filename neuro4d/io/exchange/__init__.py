"""Other programs: NIR, SONATA, Neo and NWB."""

from neuro4d._base import NotInNIRError as NotInNIRError
from neuro4d.io.exchange._imported import Imported as Imported
from neuro4d.io.exchange._neo import from_neo as from_neo
from neuro4d.io.exchange._neo import to_neo as to_neo
from neuro4d.io.exchange._nir_in import NotFromNIRError as NotFromNIRError
from neuro4d.io.exchange._nir_in import from_nir as from_nir
from neuro4d.io.exchange._nir_out import load_nir as load_nir
from neuro4d.io.exchange._nir_out import save_nir as save_nir
from neuro4d.io.exchange._nir_out import to_nir as to_nir
from neuro4d.io.exchange._nwb import to_nwb as to_nwb
from neuro4d.io.exchange._sonata_in import NotFromSONATAError as NotFromSONATAError
from neuro4d.io.exchange._sonata_in import load_sonata as load_sonata
from neuro4d.io.exchange._sonata_out import NotInSONATAError as NotInSONATAError
from neuro4d.io.exchange._sonata_out import save_sonata as save_sonata
