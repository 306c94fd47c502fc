export const words = {
"This page couldn't be loaded": "Diese Seite konnte nicht geladen werden",
"Tenantry was renewed meanwhile, or can't be reached.": "Tenantry wurde inzwischen erneuert oder ist nicht erreichbar.",
"Load it anew": "Neu laden"
};
