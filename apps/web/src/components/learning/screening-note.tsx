/** What learned models are for. */
export function ScreeningNote() {
  return (
    <p className="disclaimer disclaimer-last">
      Research for screening, not diagnosis: a model learned here points at rhythms that a clinician should look at with
      an ECG. Its figures are the sites’ own statements about their own records.
    </p>
  );
}
