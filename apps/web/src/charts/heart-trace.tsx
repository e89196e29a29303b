import { useEffect, useRef } from 'react';
import type { PageStore } from '../state/page-store.ts';
import { coloursChanged } from '../state/theme.ts';
import { frames } from './frame-scheduler.ts';
import { createTracePlot, type TraceOptions, type TracePlot } from './trace-plot.ts';

export interface HeartTraceProps extends TraceOptions {
  readonly store: Pick<PageStore, 'samples' | 'subscribe'>;
  readonly subject: string;
  /** What a person who does not see the line is told. */
  readonly label: string;
}

/** A heart's rate as a line that goes on by itself: samples do not pass through React. */
export function HeartTrace({ store, subject, label, spanSeconds, heightPx, axes }: HeartTraceProps) {
  const hostRef = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const host = hostRef.current;
    if (host === null) return;
    return mountTrace(host, store, subject, { spanSeconds, heightPx, axes });
  }, [store, subject, spanSeconds, heightPx, axes]);
  return <div className={`trace trace-${axes}`} role="img" aria-label={label} ref={hostRef} />;
}

/** Draws until the returned function is called. */
function mountTrace(
  host: HTMLElement,
  store: HeartTraceProps['store'],
  subject: string,
  options: TraceOptions,
): () => void {
  let plot: TracePlot | undefined;
  let isSeen = true;
  const draw = () => plot?.draw();
  const request = () => {
    if (isSeen) frames.request(draw);
  };
  const rebuild = () => {
    plot?.destroy();
    plot = createTracePlot(host, store.samples(subject), options);
    request();
  };
  rebuild();
  const sizes = new ResizeObserver(() => {
    plot?.resize(host.clientWidth);
    request();
  });
  sizes.observe(host);
  // What is scrolled out of sight is not drawn.
  const sight = new IntersectionObserver(
    (entries) => {
      isSeen = entries.at(-1)?.isIntersecting ?? true;
      request();
    },
    { rootMargin: '300px' },
  );
  sight.observe(host);
  const unsubscribe = store.subscribe(`samples:${subject}`, request);
  window.addEventListener(coloursChanged, rebuild);
  return () => {
    unsubscribe();
    window.removeEventListener(coloursChanged, rebuild);
    sizes.disconnect();
    sight.disconnect();
    frames.cancel(draw);
    plot?.destroy();
  };
}
