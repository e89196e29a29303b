import type { InboxMessage } from './read-message.ts';

/** The inbox page: every mail as text, newest first. Works without its script, which only renews it. */
export function renderList(messages: readonly InboxMessage[]): string {
  const count = messages.length === 1 ? '1 mail' : `${messages.length} mails`;
  const empty =
    '<p class="empty">No mail yet. When an alert is raised, its mails arrive here within a second or two.</p>';
  const items = messages.map(renderItem).join('');
  return renderPage(
    'Inbox',
    `<h1>Inbox</h1>
<p class="about">The mail server of the demo: it takes every mail and sends none on. <span id="state" role="status">${count}</span></p>
${messages.length === 0 ? empty : `<ol class="mails">${items}</ol>`}`,
  );
}

/** One mail, as text. */
export function renderMessage(message: InboxMessage): string {
  return renderPage(
    message.subject || '(no subject)',
    `<nav><a href="/">← Inbox</a></nav>
<article>
<h1>${escapeHtml(message.subject || '(no subject)')}</h1>
<dl>
<dt>From</dt><dd>${escapeHtml(message.from)}</dd>
<dt>To</dt><dd>${escapeHtml(message.to)}</dd>
<dt>Taken</dt><dd>${renderTime(message.receivedMs)}</dd>
<dt>Message-ID</dt><dd class="id">${escapeHtml(message.messageId)}</dd>
</dl>
<div class="text">${linkify(message.text.trim())}</div>
</article>`,
  );
}

export function renderNotFound(): string {
  return renderPage(
    'Not there',
    '<nav><a href="/">← Inbox</a></nav><h1>Not there</h1><p>This mail is not in the inbox (any more).</p>',
  );
}

function renderItem(message: InboxMessage): string {
  const firstLines = message.text
    .replace(/https?:\/\/\S+|\s+/g, ' ')
    .trim()
    .slice(0, 160);
  return `<li><a href="/messages/${message.id}"><span class="head"><span class="to">${escapeHtml(message.to)}</span>${renderTime(message.receivedMs)}</span><span class="subject">${escapeHtml(message.subject || '(no subject)')}</span><span class="preview">${escapeHtml(firstLines)}</span></a></li>`;
}

function renderTime(ms: number): string {
  const iso = new Date(ms).toISOString();
  return `<time datetime="${iso}">${iso.slice(0, 19).replace('T', ' ')} UTC</time>`;
}

function renderPage(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)} · Pulsemesh demo inbox</title>
<link rel="stylesheet" href="/style.css">
<link rel="icon" href="data:,">
<script src="/app.js" defer></script>
</head>
<body><main id="main">${body}</main></body>
</html>
`;
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as it may stand in HTML, in elements and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => escapes[character] ?? character);
}

/** Escapes `text` and makes its web addresses links. */
function linkify(text: string): string {
  let html = '';
  let end = 0;
  for (const found of text.matchAll(/\bhttps?:\/\/[^\s<>"']{1,2000}/g)) {
    const url = found[0].replace(/[.,;:!?)]+$/, '');
    html += escapeHtml(text.slice(end, found.index));
    html += `<a href="${escapeHtml(url)}" target="_blank" rel="noopener noreferrer">${escapeHtml(url)}</a>`;
    end = found.index + url.length;
  }
  return html + escapeHtml(text.slice(end));
}

export const style = `
:root { --ink: #1d2430; --quiet: #5a6473; --line: #d9dee6; --paper: #f6f7f9; --card: #fff; --link: #0a5bb5; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ee; --quiet: #a0a9b6; --line: #323a46; --paper: #14181e; --card: #1c222b; --link: #8ab8f5; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
main { max-width: 44rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.4rem; line-height: 1.3; margin: 0.4rem 0; overflow-wrap: anywhere; }
a { color: var(--link); }
a:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 4px; }
.about, .empty, time, .preview, dt, .id { color: var(--quiet); }
.mails { list-style: none; margin: 1rem 0; padding: 0; display: grid; gap: 0.6rem; }
.mails a { display: grid; gap: 0.15rem; padding: 0.8rem 1rem; background: var(--card); color: inherit; text-decoration: none; border: 1px solid var(--line); border-radius: 10px; }
.mails a:hover { border-color: var(--link); }
.head { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; font-size: 0.875rem; }
.subject { font-weight: 600; }
.to, .subject, .preview, dd { overflow-wrap: anywhere; min-width: 0; }
.preview { font-size: 0.9rem; }
article { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1rem 1.25rem; margin-top: 1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1rem; margin: 0.8rem 0; padding-bottom: 0.8rem; border-bottom: 1px solid var(--line); font-size: 0.9rem; }
dd { margin: 0; }
.id { font-size: 0.8rem; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
`;

/** Shows times in the reader's zone, and renews the list when a mail comes. The server has escaped what it inserts. */
export const script = `
'use strict';
const showTimes = () => {
  for (const time of document.querySelectorAll('time')) time.textContent = new Date(time.dateTime).toLocaleString();
};
const renew = async () => {
  const answer = await fetch('/', { cache: 'no-store' });
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const next = page.getElementById('main');
  if (next) document.getElementById('main').replaceWith(next);
  showTimes();
};
showTimes();
if (location.pathname === '/') {
  const events = new EventSource('/events');
  events.addEventListener('mail', () => void renew());
  events.addEventListener('open', () => void renew());
  events.addEventListener('error', () => {
    const state = document.getElementById('state');
    if (state) state.textContent = 'The inbox does not answer; trying again.';
  });
}
`;
