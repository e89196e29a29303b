/**
 * What ε means to the person it is about, in one sentence, for the configuration's help and the documentation.
 * The bound is that of differential privacy: the odds of any guess change at most by e^ε, in either direction.
 */
export function describeEpsilon(epsilon: number): string {
  const factor = Math.exp(epsilon);
  const odds = factor / 9; // one in ten is odds of 1 to 9
  const percent = (100 * odds) / (1 + odds);
  return (
    `With ε = ${epsilon}, somebody who can name a topic and who thought it 10 % likely that this device reads it is at ` +
    `most ${percent > 99 ? percent.toFixed(2) : percent.toFixed(0)} % sure after seeing its filter (the odds of any guess move by a factor ` +
    `of ${factor < 10 ? factor.toFixed(1) : factor.toFixed(0)} at most), and who has not a private topic's secret learns nothing about it at all.`
  );
}
