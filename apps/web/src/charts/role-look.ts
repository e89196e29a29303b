/** How a role is drawn: told by shape and by text, and only then by colour. */
export interface RoleLook {
  readonly name: string;
  /** SVG path around 0,0, about 22 units wide. */
  readonly path: string;
  /** Suffix of the CSS class that gives the colour. */
  readonly tone: string;
}

const looks: Readonly<Record<string, RoleLook>> = {
  bootstrap: { name: 'bootstrap', path: 'M0-12 12 9H-12Z', tone: 'bootstrap' },
  ingest: { name: 'ingest', path: 'M-11-9H11L0 12Z', tone: 'ingest' },
  storage: { name: 'storage', path: 'M-10-10H10V10H-10Z', tone: 'storage' },
  aggregation: { name: 'aggregation', path: polygon(6, 12, 0), tone: 'aggregation' },
  prediction: { name: 'prediction', path: 'M0-13 13 0 0 13-13 0Z', tone: 'prediction' },
  notification: { name: 'notification', path: polygon(5, 12.5, -90), tone: 'notification' },
  relay: { name: 'relay', path: 'M-12-5H-5V-12H5V-5H12V5H5V12H-5V5H-12Z', tone: 'relay' },
  gateway: { name: 'gateway', path: 'M-11 0A11 11 0 1 1 11 0A11 11 0 1 1-11 0Z', tone: 'gateway' },
};

const severalLook: RoleLook = { name: 'several roles', path: polygon(8, 12, 22.5), tone: 'several' };

/** The look of a peer: its role's, or the common one of peers with several or unknown roles. */
export function roleLook(roles: readonly string[]): RoleLook {
  const only = roles.length === 1 ? looks[roles[0] ?? ''] : undefined;
  return only ?? { ...severalLook, name: roles.join(', ') || 'no role' };
}

function polygon(corners: number, radius: number, turnDegrees: number): string {
  const points = Array.from({ length: corners }, (_, index) => {
    const angle = ((index * 360) / corners + turnDegrees) * (Math.PI / 180);
    return `${(radius * Math.cos(angle)).toFixed(1)} ${(radius * Math.sin(angle)).toFixed(1)}`;
  });
  return `M${points.join('L')}Z`;
}
