// Where one can go. `action` is what the page's main request needs; a page whose action is never allowed isn't shown.
export const SECTIONS = [
  {
    title: "People & access",
    pages: [
      { path: "/users", title: "Users", icon: "users", action: "users.read" },
      { path: "/groups", title: "User groups", icon: "groups", action: "groups.read" },
    ],
  },
  { title: "You", pages: [{ path: "/me/security", title: "Security", icon: "shield" }] },
];
