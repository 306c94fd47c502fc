// Where one can go. `action` is what the page's main request needs; a page whose action is never allowed isn't shown.
export const SECTIONS = [
  { title: "Organization", pages: [{ path: "/organization", title: "General", icon: "building", action: "organization.read" }] },
  {
    title: "People & access",
    pages: [
      { path: "/users", title: "Users", icon: "users", action: "users.read" },
      { path: "/groups", title: "User groups", icon: "groups", action: "groups.read" },
      { path: "/sharing", title: "Sharing", icon: "share", action: "dashboards.read" },
      { path: "/access", title: "Who can see what", icon: "eye", action: "users.read" },
    ],
  },
  { title: "Plan", pages: [{ path: "/billing", title: "Billing", icon: "card", action: "billing.manage" }] },
  { title: "Oversight", pages: [{ path: "/audit", title: "Audit log", icon: "log", action: "audit.read" }] },
  {
    title: "You",
    pages: [
      { path: "/me", title: "Profile & preferences", icon: "person", exact: true },
      { path: "/me/security", title: "Security", icon: "shield" },
    ],
  },
];
