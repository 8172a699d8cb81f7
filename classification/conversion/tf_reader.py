"""Reads a TensorFlow checkpoint with TensorFlow's own reader. Runs by itself, in the Python that has TensorFlow.

    python tf_reader.py PREFIX WANTED.json FOLDER

writes into FOLDER `variables.json` (name -> shape and number format, of all variables) and `variables.npz` (the values
of the wanted ones, as float32, without pickle), or `problem.txt` where the checkpoint cannot be read.
"""

import json
import os
import sys
import zipfile


def read(load_checkpoint, prefix: str, wanted_file: str, folder: str) -> None:
    """Write what the checkpoint holds. One variable is in memory at a time."""
    import numpy

    reader = load_checkpoint(prefix)
    shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    with open(wanted_file, encoding="utf-8") as handle:
        wanted = [name for name in json.load(handle) if name in shapes]
    names = {name: {"shape": [int(size) for size in shapes[name]], "dtype": dtypes[name].name} for name in shapes}
    with zipfile.ZipFile(os.path.join(folder, "variables.npz"), "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name in wanted:
            if "float" in names[name]["dtype"]:
                values = numpy.asarray(reader.get_tensor(name)).astype(numpy.float32)
                with archive.open(name + ".npy", "w", force_zip64=True) as target:
                    numpy.lib.format.write_array(target, values, allow_pickle=False)
    with open(os.path.join(folder, "variables.json"), "w", encoding="utf-8") as handle:
        json.dump(names, handle)


def main(prefix: str, wanted_file: str, folder: str) -> int:
    import tensorflow

    load_checkpoint = tensorflow.train.load_checkpoint  # up to here, an error is no fault of the checkpoint
    try:
        read(load_checkpoint, prefix, wanted_file, folder)
    except Exception as error:  # of whichever kind the reader raises; it changes between versions of TensorFlow
        with open(os.path.join(folder, "problem.txt"), "w", encoding="utf-8") as handle:
            handle.write(f"{type(error).__name__}: {error}")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
