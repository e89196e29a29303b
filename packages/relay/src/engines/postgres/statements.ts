/** A statement that is prepared once on each connection. Tables are found through the search path. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

export function statement(name: string, text: string): Statement {
  return { name: `relay_${name}`, text };
}
