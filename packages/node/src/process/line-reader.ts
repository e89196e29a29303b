/**
 * Splits a stream of text into lines. A line longer than `lineBytesMax` is thrown away whole, so that a
 * process that writes without end cannot fill its supervisor's memory.
 */
export function createLineReader(onLine: (line: string) => void, lineBytesMax = 256 * 1024): (chunk: string) => void {
  let rest = '';
  let isSkipping = false;
  return (chunk) => {
    const pieces = chunk.split('\n');
    const last = pieces.pop() ?? '';
    for (const piece of pieces) {
      const line = rest + piece;
      rest = '';
      if (isSkipping) isSkipping = false;
      else if (line.length <= lineBytesMax) onLine(line);
    }
    if (isSkipping) return;
    rest += last;
    if (rest.length > lineBytesMax) {
      rest = '';
      isSkipping = true;
    }
  };
}
