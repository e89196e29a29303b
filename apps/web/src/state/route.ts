import { useSyncExternalStore } from 'react';

/** Where the person is; written in the address after `#`. */
export type Route =
  | { readonly page: 'hearts' }
  | { readonly page: 'patient'; readonly subject: string }
  /** Who may read a patient's records, and who did. */
  | { readonly page: 'consent'; readonly subject: string }
  /** The same of all patients: who has something to answer. */
  | { readonly page: 'consents' }
  | { readonly page: 'research' }
  /** What is offered, and the form of a request. */
  | { readonly page: 'ask' }
  | { readonly page: 'audit' }
  | { readonly page: 'alerts'; readonly alertId: string | null }
  | { readonly page: 'people' }
  | { readonly page: 'person'; readonly subject: string | null }
  | { readonly page: 'network' }
  | { readonly page: 'learning' }
  /** A learning task, by its entry. */
  | { readonly page: 'task'; readonly id: string }
  | { readonly page: 'board' }
  | { readonly page: 'entry'; readonly id: string }
  /** What the board has about a key, by its peer id. */
  | { readonly page: 'key'; readonly peer: string }
  | { readonly page: 'unknown' };

/** Reads `#/…`. Anything that is no page is 'unknown', never an error. */
export function parseRoute(hash: string): Route {
  const [first = '', second = '', ...more] = (hash.replace(/^#\/?/, '').split('?')[0] ?? '').split('/');
  const id = /^[0-9A-Za-z_-]{1,128}$/.test(second) ? second : null;
  if (first === 'patients' && id !== null && more.length === 1 && more[0] === 'consent') {
    return { page: 'consent', subject: id };
  }
  if (more.length > 0) return { page: 'unknown' };
  switch (first) {
    case '':
      return { page: 'hearts' };
    case 'patients':
      return id === null ? { page: 'unknown' } : { page: 'patient', subject: id };
    case 'alerts':
      return second === '' || id !== null ? { page: 'alerts', alertId: id } : { page: 'unknown' };
    case 'people':
      if (second === '') return { page: 'people' };
      if (second === 'new') return { page: 'person', subject: null };
      return id === null ? { page: 'unknown' } : { page: 'person', subject: id };
    case 'network':
    case 'audit':
      return second === '' ? { page: first } : { page: 'unknown' };
    case 'consent':
      return second === '' ? { page: 'consents' } : { page: 'unknown' };
    case 'research':
      if (second === '') return { page: 'research' };
      return second === 'ask' ? { page: 'ask' } : { page: 'unknown' };
    case 'learning':
      if (second === '') return { page: 'learning' };
      return isEntryId(second) ? { page: 'task', id: second } : { page: 'unknown' };
    case 'board':
      if (second === '') return { page: 'board' };
      return isEntryId(second) ? { page: 'entry', id: second } : { page: 'unknown' };
    case 'keys':
      return id === null ? { page: 'unknown' } : { page: 'key', peer: id };
    default:
      return { page: 'unknown' };
  }
}

function isEntryId(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

/** The address of a route. */
export function routeHref(route: Route): string {
  switch (route.page) {
    case 'patient':
      return `#/patients/${route.subject}`;
    case 'consent':
      return `#/patients/${route.subject}/consent`;
    case 'consents':
      return '#/consent';
    case 'research':
      return '#/research';
    case 'ask':
      return '#/research/ask';
    case 'audit':
      return '#/audit';
    case 'alerts':
      return route.alertId === null ? '#/alerts' : `#/alerts/${route.alertId}`;
    case 'people':
      return '#/people';
    case 'person':
      return `#/people/${route.subject ?? 'new'}`;
    case 'network':
      return '#/network';
    case 'learning':
      return '#/learning';
    case 'task':
      return `#/learning/${route.id}`;
    case 'board':
      return '#/board';
    case 'entry':
      return `#/board/${route.id}`;
    case 'key':
      return `#/keys/${route.peer}`;
    case 'hearts':
    case 'unknown':
      return '#/';
  }
}

function subscribe(listener: () => void): () => void {
  window.addEventListener('hashchange', listener);
  return () => window.removeEventListener('hashchange', listener);
}

/** The hash of the address, live. */
export function useHash(): string {
  return useSyncExternalStore(subscribe, () => window.location.hash);
}
