// Where one can go. `action` is what the page's main request needs; a page whose action is never allowed isn't shown.
export const SECTIONS = [
  { title: null, pages: [{ path: "/", title: "Overview", icon: "home", action: "organization.read", exact: true }] },
  {
    title: "Organization",
    pages: [
      { path: "/organization", title: "General", icon: "building", action: "organization.read" },
      { path: "/legal", title: "Legal & compliance", icon: "scale", action: "legal.read" },
      { path: "/domains", title: "Domains", icon: "globe", action: "domains.read" },
      { path: "/sso", title: "Single sign-on", icon: "in", action: "sso.read" },
      { path: "/provisioning", title: "Provisioning", icon: "arrow", action: "provisioning.read" },
      { path: "/embed-secret", title: "Embed secret", icon: "key", action: "embed_secrets.read" },
    ],
  },
  {
    title: "People & access",
    pages: [
      { path: "/users", title: "Users", icon: "users", action: "users.read" },
      { path: "/groups", title: "User groups", icon: "groups", action: "groups.read" },
      { path: "/sharing", title: "Sharing", icon: "share", action: "dashboards.read" },
      { path: "/links", title: "Sharing links", icon: "link", action: "links.create" },
      { path: "/two-factor", title: "Two-factor", icon: "shield", action: "two_factor.roster" },
      { path: "/access", title: "Who can see what", icon: "eye", action: "users.read" },
    ],
  },
  { title: "Plan", pages: [{ path: "/billing", title: "Billing", icon: "card", action: "billing.manage" }] },
  {
    title: "Oversight",
    pages: [
      { path: "/audit", title: "Audit log", icon: "log", action: "audit.read" },
      { path: "/developers", title: "Developers", icon: "code", action: "api_keys.read" },
    ],
  },
  {
    title: "You",
    pages: [
      { path: "/me", title: "Profile & preferences", icon: "person", exact: true },
      { path: "/me/security", title: "Security", icon: "lock" },
    ],
  },
];
