import { showErrorMessage } from '@jupyterlab/apputils';
import type { Kernel } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';

const LOAD = '%load_ext caikit_nb';

/** Load caikit_nb into a kernel; tells the user and says no if that fails. */
export async function loadExtension(
  kernel: Kernel.IKernelConnection,
  trans: TranslationBundle
): Promise<boolean> {
  const future = kernel.requestExecute({
    code: LOAD,
    store_history: false,
    stop_on_error: true
  });
  const { content } = await future.done;
  if (content.status === 'ok') {
    return true;
  }
  const reason = content.status === 'error' ? content.evalue : '';
  await showErrorMessage(
    trans.__('caikit_nb could not be loaded'),
    content.status === 'error' && content.ename === 'ModuleNotFoundError'
      ? trans.__('It is not installed for this kernel: %pip install caikit_nb')
      : reason
  );
  return false;
}
