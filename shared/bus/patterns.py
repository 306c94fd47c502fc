"""Which routing keys a topic pattern matches: `*` is exactly one word, `#` is any number of words, none included."""


def matches(pattern: str, key: str) -> bool:
    words = key.split(".") if key else []
    reached = {0}  # how many words of the key the pattern read so far may have used up
    for step in pattern.split(".") if pattern else []:
        if step == "#":
            reached = set(range(min(reached), len(words) + 1)) if reached else set()
        else:
            reached = {at + 1 for at in reached if at < len(words) and step in ("*", words[at])}
    return len(words) in reached
