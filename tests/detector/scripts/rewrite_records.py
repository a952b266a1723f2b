"""Read a RecordIO file with MXNet and write it anew with MXNet; print what its detection records hold."""

from __future__ import annotations

import sys

from mxnet import recordio

source, target, objects = sys.argv[1:]
reader = recordio.MXRecordIO(source, "r")
writer = recordio.MXRecordIO(target, "w")
count = 0
while (record := reader.read()) is not None:
    writer.write(record)
    count += 1
writer.close()
print(count)
reader = recordio.MXRecordIO(objects, "r")
while (record := reader.read()) is not None:
    header, image = recordio.unpack(record)
    print(header.id, header.label.tolist(), image)
