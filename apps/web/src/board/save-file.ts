/** Hands a file to the browser's downloads. */
export function saveFile(name: string, content: Uint8Array | string, type: string): void {
  // A copy on a buffer of its own, as a Blob asks for.
  const part = typeof content === 'string' ? content : new Uint8Array(content);
  const url = URL.createObjectURL(new Blob([part], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
