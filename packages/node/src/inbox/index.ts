export { type Inbox, type InboxDeps, type InboxOptions, startInbox } from './inbox.ts';
export type { InboxMessage } from './read-message.ts';
