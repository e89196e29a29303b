/** Figures about scores against labels; `labels` are 1 (irregular) and 0. */

/** Area under the receiver operating characteristic, ties counted half; null unless both labels occur. */
export function areaUnderCurve(scores: ArrayLike<number>, labels: ArrayLike<number>): number | null {
  const order = descending(scores);
  let positives = 0;
  let negatives = 0;
  let area = 0;
  for (let index = 0; index < order.length; ) {
    const score = scores[order[index] as number]; // order holds indices of both lists, here and below
    let tiedPositives = 0;
    let tiedNegatives = 0;
    for (; index < order.length && scores[order[index] as number] === score; index += 1) {
      if (labels[order[index] as number] === 1) tiedPositives += 1;
      else tiedNegatives += 1;
    }
    area += tiedNegatives * (positives + tiedPositives / 2);
    positives += tiedPositives;
    negatives += tiedNegatives;
  }
  return positives === 0 || negatives === 0 ? null : area / (positives * negatives);
}

/**
 * The greatest sensitivity of any threshold whose specificity is at least `specificity` (0 … 1); null unless both
 * labels occur.
 */
export function sensitivityAt(
  specificity: number,
  scores: ArrayLike<number>,
  labels: ArrayLike<number>,
): number | null {
  const order = descending(scores);
  let positives = 0;
  let negatives = 0;
  for (let index = 0; index < labels.length; index += 1) {
    if (labels[index] === 1) positives += 1;
    else negatives += 1;
  }
  if (positives === 0 || negatives === 0) return null;
  const falseMax = (1 - specificity) * negatives + 1e-9;
  let found = 0;
  let falsely = 0;
  let best = 0;
  for (let index = 0; index < order.length; ) {
    const score = scores[order[index] as number];
    for (; index < order.length && scores[order[index] as number] === score; index += 1) {
      if (labels[order[index] as number] === 1) found += 1;
      else falsely += 1;
    }
    if (falsely > falseMax) break;
    best = found / positives;
  }
  return best;
}

function descending(scores: ArrayLike<number>): Uint32Array {
  return Uint32Array.from({ length: scores.length }, (_, index) => index).sort(
    (one, other) => (scores[other] as number) - (scores[one] as number), // both are indices of scores
  );
}
