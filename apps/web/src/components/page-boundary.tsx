import { Component, type ReactNode } from 'react';
import { Notice } from './small.tsx';

/** Around pages that are fetched when somebody goes there: one that does not come says so, and the others stay. */
export class PageBoundary extends Component<{ readonly children: ReactNode }, { readonly hasFailed: boolean }> {
  override state = { hasFailed: false };

  static getDerivedStateFromError() {
    return { hasFailed: true };
  }

  override render() {
    if (!this.state.hasFailed) return this.props.children;
    return (
      <Notice title="This page could not be shown." tone="problem">
        <p>
          Its program could not be fetched, or it failed. The server may have been renewed since this page was opened.
        </p>
        <button type="button" className="button-quiet" onClick={() => window.location.reload()}>
          Load everything again
        </button>
      </Notice>
    );
  }
}
