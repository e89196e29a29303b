import type { ReactNode } from 'react';
import { formatMoment } from '../../format.ts';

/** Items of a list shown before the rest is only counted. */
const itemsShownMax = 50;

/** An entry's body as it is, names in words: `stepMs` becomes "step". */
export function BodyTree({ body, nowMs }: { readonly body: object; readonly nowMs: number }) {
  return (
    <dl className="body-tree">
      {Object.entries(body).map(([name, value]) => (
        <div key={name}>
          <dt>{fieldWords(name)}</dt>
          <dd>{shownValue(name, value, nowMs)}</dd>
        </div>
      ))}
    </dl>
  );
}

function shownValue(name: string, value: unknown, nowMs: number): ReactNode {
  if (value === null) return 'none';
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return <Items name={name} items={value} nowMs={nowMs} />;
  if (typeof value === 'object') return <BodyTree body={value} nowMs={nowMs} />;
  if (typeof value === 'number' && /(?:deadline|created)Ms$/.test(name)) return formatMoment(value, nowMs);
  if (typeof value === 'number' && name.endsWith('Ms')) return `${value / 1000} s`;
  if (typeof value === 'string' && /^(?:[0-9a-f]{64}|12D3\w+)$/.test(value)) return <bdi className="id">{value}</bdi>;
  return <bdi className="body-text">{String(value)}</bdi>;
}

function Items({
  name,
  items,
  nowMs,
}: {
  readonly name: string;
  readonly items: readonly unknown[];
  readonly nowMs: number;
}) {
  if (items.length === 0) return 'none';
  return (
    <ul>
      {items.slice(0, itemsShownMax).map((item, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a body never changes, its items are told apart by their place
        <li key={`${name}-${index + 1}`}>{shownValue(name, item, nowMs)}</li>
      ))}
      {items.length > itemsShownMax ? <li>and {items.length - itemsShownMax} more</li> : null}
    </ul>
  );
}

function fieldWords(name: string): string {
  const words = name.replace(/(?<=[a-z])(Ms|Max|Min)$/, (end) => (end === 'Ms' ? '' : ` ${end}`));
  return words.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).replace(/\s+/g, ' ');
}
