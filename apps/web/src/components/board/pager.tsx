import { formatCount } from '../../format.ts';

/** Which of many are shown, and the way to the others. `page` counts from 0. */
export function Pager(props: {
  readonly page: number;
  readonly pageSize: number;
  readonly total: number;
  readonly onPage: (page: number) => void;
}) {
  const { page, pageSize, total, onPage } = props;
  const last = Math.max(0, Math.ceil(total / pageSize) - 1);
  const from = total === 0 ? 0 : page * pageSize + 1;
  return (
    <nav className="pager" aria-label="More entries">
      <button type="button" className="button-quiet" disabled={page === 0} onClick={() => onPage(0)}>
        Newest
      </button>
      <button type="button" className="button-quiet" disabled={page === 0} onClick={() => onPage(page - 1)}>
        Newer
      </button>
      <p role="status">
        {formatCount(from)}–{formatCount(Math.min(total, (page + 1) * pageSize))} of {formatCount(total)}
      </p>
      <button type="button" className="button-quiet" disabled={page >= last} onClick={() => onPage(page + 1)}>
        Older
      </button>
      <button type="button" className="button-quiet" disabled={page >= last} onClick={() => onPage(last)}>
        Oldest
      </button>
    </nav>
  );
}
