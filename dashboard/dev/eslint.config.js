/** What ESLint looks for in the dashboard: mistakes, not style. */
import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["vendor/**", "dev/node_modules/**"] },
  js.configs.recommended,
  {
    files: ["**/*.js", "**/*.mjs"],
    languageOptions: { ecmaVersion: 2023, sourceType: "module", globals: globals.browser },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "no-var": "error", "prefer-const": "error", eqeqeq: ["error", "always", { null: "ignore" }],
      "no-eval": "error", "no-implied-eval": "error", "no-new-func": "error", "no-script-url": "error",
      "no-restricted-properties": ["error", { property: "innerHTML" }, { property: "outerHTML" }, { object: "document", property: "write" }],
      "max-depth": ["error", 3],
    },
  },
  { files: ["dev/**"], languageOptions: { globals: globals.node } },
];
