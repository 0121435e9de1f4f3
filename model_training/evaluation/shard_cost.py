"""What training on shards gives away: they are resized and compressed once more."""

from pathlib import Path

from model_training.shards import read_shards


def read_shard_images(folder: Path) -> dict[str, bytes]:
    """Read the encoded images of a folder's test frames.

    Args:
        folder: What `polypseg prepare` wrote.

    Returns:
        JPEG or PNG by the key of the frame.

    Raises:
        ShardError: A file of the folder is missing or was changed.
    """
    # Imported here: only shards need TensorFlow.
    import tensorflow as tf

    from model_training.shards.record import parse_record

    part = read_shards(folder, "test")
    records = tf.data.TFRecordDataset([str(path) for path in part.files])
    return {
        key: bytes(parse_record(record)[0].numpy())
        for key, record in zip(part.keys, records, strict=True)
    }
