/** The topic on which a client is told why its messages were refused: JSON `{code, explanation}`. */
export function refusalTopic(clientId: string): string {
  return `pulsemesh/refusals/${clientId}`;
}
