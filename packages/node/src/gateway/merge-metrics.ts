interface Family {
  readonly head: string[];
  readonly samples: string[];
}

/** Lines of one peer at most; more are left out. */
export const metricsLinesMax = 20_000;

/**
 * Puts the Prometheus texts of several peers together: each metric's help and type once, then the samples of
 * all (exposition format 0.0.4 wants the samples of a metric together). The samples tell peers apart by their
 * own labels. Lines that are no sample are left out, so that one peer cannot break the page of all.
 */
export function mergeMetrics(texts: readonly string[]): string {
  const families = new Map<string, Family>();
  for (const text of texts) addText(families, text);
  const lines: string[] = [];
  for (const [, family] of [...families].sort(([one], [other]) => (one < other ? -1 : 1))) {
    if (family.samples.length > 0) lines.push(...family.head, ...family.samples);
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

const headPattern = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) /;
const samplePattern = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^\n]*\})? (-?[0-9.eE+-]+|[+-]?Inf|NaN)( -?\d+)?$/;

function addText(families: Map<string, Family>, text: string): void {
  let family: Family | undefined;
  let familyName = '';
  const seen = new Set(families.keys());
  for (const line of text.split('\n', metricsLinesMax)) {
    const head = headPattern.exec(line);
    if (head?.[2] !== undefined) {
      familyName = head[2];
      family = families.get(familyName) ?? { head: [], samples: [] };
      families.set(familyName, family);
      if (!seen.has(familyName)) family.head.push(line);
      continue;
    }
    const name = samplePattern.exec(line)?.[1];
    if (name === undefined || family === undefined) continue;
    // The parts of a histogram carry the family's name and a suffix.
    if (name === familyName || /^_(bucket|sum|count|created)$/.test(name.slice(familyName.length)))
      family.samples.push(line);
  }
}
