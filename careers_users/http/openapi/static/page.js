// Starts Swagger UI on this service's own description. A file of its own, since the
// page's Content-Security-Policy lets no script stand inside the page.
"use strict";

const BEARER = "bearer";
// The word in the document's examples that stands for a token of the caller.
const REFRESH_EXAMPLE = '"REFRESH_TOKEN"';
// The refresh token of the session in use. Tokens stay in the page: a reload forgets them.
let refreshToken = null;

// Swagger UI's stylesheet has a dark scheme, for a page that asks for it by this class.
const darkScheme = matchMedia("(prefers-color-scheme: dark)");
function followColorScheme() {
  document.documentElement.classList.toggle("dark-mode", darkScheme.matches);
}
darkScheme.addEventListener("change", followColorScheme);
followColorScheme();

function tokensIn(response) {
  try {
    const { access, refresh } = JSON.parse(response.get("text"));
    return typeof access === "string" ? { access, refresh } : null;
  } catch {
    return null;
  }
}

function useSession(tokens) {
  refreshToken = tokens.refresh ?? refreshToken;
  window.ui.preauthorizeApiKey(BEARER, tokens.access);
}

// Adds "Use this session" to replies that have an access token.
function withSessionButton(LiveResponse, { React }) {
  return function Response(props) {
    const [used, setUsed] = React.useState(null);
    const tokens = tokensIn(props.response);
    const isUsed = tokens !== null && used === tokens.access;
    const button = tokens && React.createElement(
      "button",
      {
        type: "button",
        className: "btn use-session",
        onClick: () => {
          useSession(tokens);
          setUsed(tokens.access);
        },
      },
      isUsed ? "This session is in use" : "Use this session",
    );
    return React.createElement(
      "div",
      null,
      React.createElement("div", { role: "status" }, button),
      React.createElement(LiveResponse, props),
    );
  };
}

// Gives each field of the dialog an id of its own, and the user's token the cursor.
// Swagger UI uses one id for all of them, and puts the cursor into the last.
function withOwnId(HttpAuth, { React }) {
  return function Scheme(props) {
    const box = React.useRef(null);
    React.useEffect(() => {
      const field = box.current.querySelector("input");
      const label = box.current.querySelector("label");
      if (field === null || label === null) return;
      field.id = label.htmlFor = `auth-${props.name}`;
      field.removeAttribute("aria-label");
      label.textContent = props.name === BEARER ? "Access token:" : "Credential:";
      if (props.name === BEARER) field.focus();
    }, []);
    return React.createElement(
      "div", { ref: box }, React.createElement(HttpAuth, props),
    );
  };
}

// Says to screen readers what the dialog is, and gives the focus back when it closes.
function asDialog(Popup, { React }) {
  return function Dialog(props) {
    const box = React.useRef(null);
    React.useEffect(() => {
      const opener = document.querySelector(".scheme-container .authorize");
      const dialog = box.current.querySelector(".modal-ux");
      dialog.setAttribute("role", "dialog");
      dialog.setAttribute("aria-modal", "true");
      dialog.setAttribute("aria-label", "Authorize");
      dialog.querySelector(".close-modal").setAttribute("aria-label", "Close");
      return () => opener?.focus();
    }, []);
    return React.createElement("div", { ref: box }, React.createElement(Popup, props));
  };
}

// Gives fields the name for screen readers that Swagger UI leaves out.
function named(selector, name) {
  return (Original, { React }) => function Named(props) {
    const box = React.useRef(null);
    React.useEffect(() => {
      const text = typeof name === "string" ? name : name(props);
      box.current.querySelectorAll(selector)
        .forEach((field) => field.setAttribute("aria-label", text));
    });
    return React.createElement("div", { ref: box }, React.createElement(Original, props));
  };
}

// A call for which a token is optional has an open lock until there is a token.
function needsToken(isAuthorized) {
  // Swagger UI has bound the original to the state.
  return (_state, securities) =>
    isAuthorized(securities?.filter((requirement) => requirement.size > 0));
}

function sessionPlugin() {
  return {
    wrapComponents: {
      liveResponse: withSessionButton,
      HttpAuth: withOwnId,
      authorizationPopup: asDialog,
      ExamplesSelect: named("select", "Example"),
      // Swagger UI passes "name - description" of a parameter.
      JsonSchemaForm: named("select, input", ({ description }) => `${description}`.split(" - ")[0]),
      TextArea: named("textarea", "Request body"),
      // There is one: the service that sends this page.
      ServersContainer: () => () => null,
    },
    statePlugins: { auth: { wrapSelectors: { isAuthorized: needsToken } } },
  };
}

window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  plugins: [sessionPlugin],
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: -1,
  defaultModelExpandDepth: 3,
  persistAuthorization: false,
  // Nobody else is asked whether the description is valid.
  validatorUrl: null,
  requestInterceptor: (request) => {
    if (refreshToken !== null && typeof request.body === "string") {
      request.body = request.body.replace(REFRESH_EXAMPLE, JSON.stringify(refreshToken));
    }
    return request;
  },
  responseInterceptor: (response) => {
    if (response.ok && response.url.endsWith("/logout/")) {
      window.ui.authActions.logout([BEARER]);
      refreshToken = null;
    }
    return response;
  },
});
