import type { WindowView } from '@pulsemesh/node/api';
import { useId } from 'react';
import { type ScoreBand, scoreBand, summariseBands } from './score-band.ts';

/** Length of a window; the page shows no other. */
export const windowMs = 10_000;

export interface ScoreRibbonProps {
  readonly windows: readonly WindowView[];
  /** Number of ten-second places. */
  readonly places: number;
  /** Start of the last place; the newest window's, where left out. */
  readonly lastStartMs?: number;
  readonly spanLabel: string;
}

const cell = { width: 10, gap: 2, height: 28 } as const;

/**
 * Ten-second windows as a row of small columns: the higher and warmer, the more irregular the model found it;
 * hatched where not usable, a dotted frame where the score is awaited, empty where there is no window.
 */
export function ScoreRibbon({ windows, places, lastStartMs, spanLabel }: ScoreRibbonProps) {
  const hatchId = useId();
  const lastMs = lastStartMs ?? windows.at(-1)?.startMs ?? 0;
  const firstMs = lastMs - (places - 1) * windowMs;
  const shown = windows.filter((window) => window.startMs >= firstMs && window.startMs <= lastMs);
  const width = places * cell.width;
  const label = `Model's view of the ten-second windows, ${spanLabel}: ${summariseBands(shown)}`;
  return (
    <svg
      className="ribbon"
      viewBox={`0 0 ${width} ${cell.height}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      <defs>
        <pattern id={hatchId} width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <rect className="hatch-ground" width="5" height="5" />
          <rect className="hatch-line" width="1.6" height="5" />
        </pattern>
      </defs>
      <rect className="ribbon-ground" width={width} height={cell.height} rx="3" />
      {shown.map((window) => {
        const place = Math.round((window.startMs - firstMs) / windowMs);
        return <RibbonCell key={window.startMs} window={window} x={place * cell.width} hatchId={hatchId} />;
      })}
    </svg>
  );
}

function RibbonCell(props: { readonly window: WindowView; readonly x: number; readonly hatchId: string }) {
  const band = scoreBand(props.window);
  const height = cellHeight(band, props.window.score);
  return (
    <rect
      className={`band band-${band}`}
      x={props.x + cell.gap / 2}
      y={cell.height - height}
      width={cell.width - cell.gap}
      height={height}
      rx="1.5"
      fill={band === 'unusable' ? `url(#${props.hatchId})` : undefined}
    />
  );
}

/** A regular window is low but visible; an irregular one reaches the top. */
function cellHeight(band: ScoreBand, score: number | null): number {
  if (band === 'unusable' || band === 'pending' || score === null) return cell.height;
  return 7 + (cell.height - 7) * Math.min(1, Math.max(0, score));
}

/** What the ribbon's shapes mean. */
export function RibbonLegend() {
  const hatchId = useId();
  const samples: readonly { band: ScoreBand; score: number | null; text: string }[] = [
    { band: 'regular', score: 0.1, text: 'regular (score below 0.4)' },
    { band: 'unsure', score: 0.6, text: 'unsure' },
    { band: 'irregular', score: 0.95, text: 'irregular (0.8 and above)' },
    { band: 'unusable', score: null, text: 'not usable' },
    { band: 'pending', score: null, text: 'awaiting score' },
  ];
  return (
    <dl className="legend" aria-label="Legend of the ten-second windows">
      {samples.map(({ band, score, text }) => (
        <div key={band}>
          <dt>
            <svg viewBox={`0 0 ${cell.width} ${cell.height}`} aria-hidden="true">
              <pattern
                id={`${hatchId}-${band}`}
                width="5"
                height="5"
                patternUnits="userSpaceOnUse"
                patternTransform="rotate(45)"
              >
                <rect className="hatch-ground" width="5" height="5" />
                <rect className="hatch-line" width="1.6" height="5" />
              </pattern>
              <rect className="ribbon-ground" width={cell.width} height={cell.height} rx="2" />
              <RibbonCell
                window={{
                  subject: '',
                  startMs: 0,
                  readingCount: 10,
                  missingSeconds: 0,
                  isUsable: band !== 'unusable',
                  score,
                }}
                x={0}
                hatchId={`${hatchId}-${band}`}
              />
            </svg>
          </dt>
          <dd>{text}</dd>
        </div>
      ))}
    </dl>
  );
}
