interface ISavable {
  save(): Promise<void>;
}

/**
 * Save, and have each other saving that is asked for meanwhile come after it.
 *
 * Where two savings overlap JupyterLab asks the user which of them is right, and who presses
 * Ctrl S just then has done nothing that would explain it.
 *
 * @param context - What is saved; its method `save` is another one until that is done.
 */
export async function saveAlone(context: ISavable): Promise<void> {
  const own = Object.getOwnPropertyDescriptor(context, 'save');
  const save = context.save.bind(context);
  const saved = save();
  let last = saved;
  context.save = () => (last = last.then(save, save));
  try {
    await saved;
  } finally {
    if (own) {
      Object.defineProperty(context, 'save', own);
    } else {
      Reflect.deleteProperty(context, 'save');
    }
  }
}
