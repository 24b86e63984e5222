import tensorstore as ts

from mirasol.checkpoint.index import index


def test_every_value_but_metadata_is_found_in_a_tree_of_many_levels():
    config = {"max_decoded_node_bytes": 400, "max_inline_value_bytes": 8}
    database = ts.KvStore.open({"driver": "ocdbt", "base": "memory://", "config": config}).result()
    chunks = {f"model.layer{i}/c/{j}": f"<{i} {j}>".encode() * 9 for i in range(40) for j in (0, 1)}
    for key, chunk in chunks.items():
        database[key] = chunk
        database[f"{key.partition('/')[0]}/zarr.json"] = b"metadata, which is no chunk"
    database["solo/zarr.json"] = b"m"
    database["scale/c"] = b"small"
    found = index(database.base)
    texts = [
        database.base[file][start:stop]
        for file, spans in found.spans.items()
        for start, stop in spans
    ]
    assert sorted(texts) == sorted(chunks.values())
    assert found.bytes["model.layer7"] == len("<7 0>") * 18
    assert found.bytes["scale"] == 5
    assert set(found.bytes) == {"scale", *(f"model.layer{i}" for i in range(40))}


def test_an_empty_database():
    database = ts.KvStore.open({"driver": "ocdbt", "base": "memory://"}).result()
    database["a/c"] = b"x"
    del database["a/c"]
    assert index(database.base).bytes == {}
