"""What people read of a training run while it goes on, a line each."""

from revsearch.training import EpochRecord, History, Validation


def validation_words(validation: Validation) -> str:
    """Return the figures of a validation."""
    return ", ".join(f"{name} {value:.4f}" for name, value in validation.metrics.items())


def epoch_words(record: EpochRecord, history: History) -> str:
    """Return how an epoch went, what its validations found, and which epoch is the best so far."""
    rate = record.n_images / record.seconds
    told = [f"epoch {record.epoch}: loss {record.loss:.4f}, lr {record.lr:.2g}, {rate:.0f} images/s"]
    told.append(f"spread {record.health.spread:.3f}")
    if record.health.distinct_triplets is not None:
        told.append(f"{record.health.distinct_triplets:.0f} triplets a step")
    if record.health.active_share is not None:
        told.append(f"{record.health.active_share:.0%} of them active")
    if record.health.at_margin:
        told.append(f"{record.health.at_margin:.0%} of the steps at the margin")
    told += [f"[{each.share:g} of the way] {validation_words(each)}" for each in record.validations]
    best = history.best
    return ", ".join(told) + f"; best: {f'epoch {best.epoch}' if best.epoch else 'the start'}"
