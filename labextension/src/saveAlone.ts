interface ISavable {
  save(): Promise<void>;
}

/** What has its savings come one after the other just now. */
const inLine = new WeakSet<ISavable>();

/**
 * Save, and have each other saving that is asked for meanwhile come after it.
 *
 * Where two savings overlap JupyterLab asks the user which of them is right, and who presses
 * Ctrl S just then has done nothing that would explain it.
 *
 * @param context - What is saved; its method `save` is another one until nothing is to be saved any
 *   more.
 */
export async function saveAlone(context: ISavable): Promise<void> {
  if (inLine.has(context)) {
    return context.save();
  }
  inLine.add(context);
  const own = Object.getOwnPropertyDescriptor(context, 'save');
  const save = context.save.bind(context);
  const saved = save();
  let last = saved;
  context.save = () => (last = last.then(save, save));
  void endOf(() => last).then(() => {
    inLine.delete(context);
    if (own) {
      Object.defineProperty(context, 'save', own);
    } else {
      Reflect.deleteProperty(context, 'save');
    }
  });
  return saved;
}

/** Wait for the last of some promises, of which more may come meanwhile. */
async function endOf(last: () => Promise<void>): Promise<void> {
  let over: Promise<void> | null = null;
  while (over !== last()) {
    over = last();
    await over.catch(() => undefined);
  }
}
