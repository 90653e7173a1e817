"""A device tried with torch: its memory, and products of matrices whose answer is known."""

from infra.gpu.cuda_memory import PATTERNS, SHARE, FaultError, UnableError

_PIECE_WORDS = 2**28
_SIDE = 4096
_PRODUCTS = 50


def try_out() -> str:
    """Test most of the free memory, then multiply; everything stays on the device.

    Returns:
        What was tested, in words.

    Raises:
        FaultError: an answer is wrong, or the device failed.
        UnableError: torch sees no device.
    """
    import torch

    if not torch.cuda.is_available():
        raise UnableError("torch sees no device")
    try:
        tested = _memory()
        _multiply()
    except RuntimeError as error:  # what torch makes of every answer of CUDA's but success
        raise FaultError(str(error).splitlines()[0]) from error
    return f"{tested / 2**30:.4g} GiB of memory and {_PRODUCTS} products of matrices were right"


def _memory() -> int:
    """Write and read patterns; how many bytes."""
    import torch

    free, _ = torch.cuda.mem_get_info()
    pieces = []
    for taken in range(0, int(free * SHARE) // 4, _PIECE_WORDS):
        words = min(_PIECE_WORDS, int(free * SHARE) // 4 - taken)
        pieces.append(torch.empty(words, dtype=torch.int32, device="cuda"))
    for pattern in PATTERNS:
        values = [_signed(pattern ^ number) for number in range(len(pieces))]
        for piece, value in zip(pieces, values, strict=True):
            piece.fill_(value)
        for piece, value in zip(pieces, values, strict=True):
            least, most = (int(each) for each in torch.aminmax(piece))
            if not least == most == value:
                raise FaultError(f"its memory did not keep the pattern {pattern:#010x}")
    tested = sum(int(piece.numel()) for piece in pieces) * 4
    pieces.clear()
    torch.cuda.empty_cache()
    return tested


def _multiply() -> None:
    """Whole numbers, so small that every sum is exact in float32 and in TF32, in any order."""
    import torch

    source = torch.Generator().manual_seed(0)
    left, right = (
        torch.randint(-1, 2, (_SIDE, _SIDE), generator=source, dtype=torch.float32)
        for _ in range(2)
    )
    known = (left @ right).to("cuda")
    one, other = left.to("cuda"), right.to("cuda")
    for _ in range(_PRODUCTS):
        if not torch.equal(one @ other, known):
            raise FaultError("a product of two matrices was wrong")


def _signed(word: int) -> int:
    """The same 32 bits as a signed number."""
    return word - 2**32 if word >= 2**31 else word
