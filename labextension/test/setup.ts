/** Sees nothing: jsdom has no layout. */
class Observer {
  observe(): undefined {
    return undefined;
  }
}

/** What JupyterLab's packages ask for when they are loaded, and jsdom lacks. */
Object.assign(globalThis, {
  DragEvent: class extends MouseEvent {},
  IntersectionObserver: Observer,
  ResizeObserver: Observer,
  matchMedia: (media: string) => ({
    media,
    matches: false,
    addEventListener: () => undefined,
    removeEventListener: () => undefined
  })
});
