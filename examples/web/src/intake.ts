/** Files that the user chooses, drops or pastes. */

/** Hand every file to `receive`, whichever way it comes onto the page. */
export function receiveFiles(
  choosers: readonly HTMLInputElement[],
  receive: (file: File) => void,
): void {
  const receiveAll = (files: FileList | null | undefined) => [...(files ?? [])].forEach(receive);
  for (const chooser of choosers) {
    chooser.addEventListener('change', () => {
      receiveAll(chooser.files);
      chooser.value = ''; // so that the same file can be chosen again
    });
  }
  document.addEventListener('paste', (event) => receiveAll(event.clipboardData?.files));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    receiveAll(event.dataTransfer?.files);
  });
  showWhereToDrop();
}

function showWhereToDrop(): void {
  const show = (on: boolean) => document.body.classList.toggle('dropping', on);
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    show(true);
  });
  document.addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) show(false);
  });
  document.addEventListener('drop', () => show(false));
}
