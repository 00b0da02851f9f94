import js from '@eslint/js';
import prettier from 'eslint-config-prettier';
import { defineConfig, globalIgnores } from 'eslint/config';
import typescript from 'typescript-eslint';

export default defineConfig([
  globalIgnores(['lib', 'node_modules', '*.config.mjs', 'style/index.js']),
  js.configs.recommended,
  typescript.configs.strictTypeChecked,
  prettier,
  {
    languageOptions: {
      parserOptions: { projectService: true }
    },
    rules: {
      'no-console': 'error',
      curly: ['error', 'all'],
      eqeqeq: 'error',
      // Signals take a method and its object.
      '@typescript-eslint/unbound-method': 'off',
      'prefer-arrow-callback': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/naming-convention': [
        'error',
        {
          selector: 'interface',
          format: ['PascalCase'],
          custom: { regex: '^I[A-Z]', match: true }
        }
      ],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true }
      ],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true }
      ]
    }
  }
]);
